use std::io::{self, Write};

use serde_json::json;

use super::finding::Finding;
use crate::log::Clean;

/// All that was found.
pub(super) struct Report(pub(super) Vec<Finding>);

impl Report {
    /// Whether nothing is to be done.
    pub(super) fn is_well(&self) -> bool {
        self.troubles() == 0
    }

    pub(super) fn write(&self, as_json: bool, out: &mut impl Write) -> io::Result<()> {
        if as_json {
            let report = json!({ "well": self.is_well(), "findings": self.0 });
            return writeln!(out, "{report}");
        }
        let mut area = None;
        for finding in &self.0 {
            if area.replace(finding.area) != Some(finding.area) {
                writeln!(out, "{}", finding.area.title())?;
            }
            write_one(finding, out)?;
        }
        match self.troubles() {
            0 => writeln!(out, "all is well, as far as it can be known"),
            1 => writeln!(out, "1 thing is to be mended"),
            count => writeln!(out, "{count} things are to be mended"),
        }
    }

    fn troubles(&self) -> usize {
        let troubles = self.0.iter().filter(|finding| finding.verdict.is_trouble());
        troubles.count()
    }
}

fn write_one(finding: &Finding, out: &mut impl Write) -> io::Result<()> {
    let (verdict, subject) = (finding.verdict.as_str(), &finding.subject);
    writeln!(out, "  {verdict:<8}  {subject}: {}", Clean(&finding.detail))?;
    match &finding.remedy {
        Some(remedy) => writeln!(out, "            -> {}", Clean(remedy)),
        None => Ok(()),
    }
}
