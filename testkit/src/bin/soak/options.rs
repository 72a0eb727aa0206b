use std::path::{Path, PathBuf};

/// What a soak, or one of its processes, is to do.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) role: String,
    pub(crate) events: u64,
    pub(crate) seed: u64,
    /// Events a second, all threads together.
    pub(crate) rate: u64,
    pub(crate) folder: PathBuf,
}

pub(crate) const USAGE: &str = "usage: soak [--events N] [--seed N] [--rate EVENTS_A_SECOND]";

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            role: "soak".to_owned(),
            events: 1_000_000,
            seed: 1,
            rate: 200_000,
            folder: PathBuf::new(),
        };
        while let Some(name) = args.next() {
            let value = args.next().ok_or(format!("{name} needs a value"))?;
            let number = || {
                value
                    .parse()
                    .map_err(|_| format!("{name} {value} is no number"))
            };
            match name.as_str() {
                "--role" => options.role = value,
                "--events" => options.events = number()?,
                "--seed" => options.seed = number()?,
                "--rate" => options.rate = number()?,
                "--folder" => options.folder = value.into(),
                _ => return Err(format!("there is no option {name}")),
            }
        }
        Ok(options)
    }

    pub(crate) fn within(&self, folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            ..self.clone()
        }
    }

    pub(crate) fn arguments(&self, role: &str) -> Vec<String> {
        let values = [
            ("--role", role.to_owned()),
            ("--events", self.events.to_string()),
            ("--seed", self.seed.to_string()),
            ("--rate", self.rate.to_string()),
            ("--folder", self.folder.display().to_string()),
        ];
        let pairs = values
            .into_iter()
            .map(|(name, value)| [name.to_owned(), value]);
        pairs.flatten().collect()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("audit.sock")
    }

    pub(crate) fn trail(&self) -> PathBuf {
        self.folder.join("trail.ndjson")
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.folder.join("spool")
    }
}
