use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt,
};

use serde_json::Value;

use crate::noise::Damage;

/// What the device says that it did, and what the trail says.
pub(crate) struct Books {
    device: Device,
    written: BTreeSet<u64>,
    repeated: u64,
    losses: Vec<Loss>,
    end: Option<Value>,
    damage: Damage,
}

/// What the device said on its console.
struct Device {
    session: String,
    issued: u64,
    written: u64,
    lost: u64,
}

struct Loss {
    first: u64,
    last: u64,
    count: u64,
    cause: String,
}

impl Books {
    pub(crate) fn open(console: &str, trail: &str, damage: Damage) -> Result<Self, Box<dyn Error>> {
        let mut books = Self {
            device: Device::parse(console).ok_or_else(|| format!("the device said: {console}"))?,
            written: BTreeSet::new(),
            repeated: 0,
            losses: Vec::new(),
            end: None,
            damage,
        };
        for line in trail.lines() {
            books.line(&serde_json::from_str(line)?)?;
        }
        Ok(books)
    }

    /// Whether every number is written or lost, and none is both.
    pub(crate) fn check(&self) -> Result<(), String> {
        let holds = |holds: bool, what: &str| holds.then_some(()).ok_or_else(|| what.to_owned());
        let (issued, written) = (self.device.issued, self.written.len() as u64);
        holds(
            written + self.lost() == issued,
            "written and lost are not what was issued",
        )?;
        holds(self.repeated == 0, "an event is there twice")?;
        for number in 0..issued {
            let covers = |loss: &&Loss| (loss.first..=loss.last).contains(&number);
            let mut covering = self.losses.iter().filter(covers).peekable();
            let is_lost_for_sure = covering.clone().any(Loss::is_dense);
            if self.written.contains(&number) {
                holds(
                    !is_lost_for_sure,
                    &format!("{number} is written, and lost as well"),
                )?;
            } else {
                holds(covering.peek().is_some(), &format!("{number} is nowhere"))?;
            }
        }
        let by_cause = self.by_cause();
        let lost_by = |cause: &str| by_cause.get(cause).copied().unwrap_or_default();
        let (store_full, line) = (lost_by("store_full"), lost_by("link"));
        holds(store_full + line == self.lost(), "there is another cause")?;
        holds(
            store_full > 0,
            "the device lost nothing, so that nothing is shown",
        )?;
        holds(line > 0, "the line lost nothing, so that nothing is shown")?;
        holds(
            self.damage.is_of_every_kind(),
            "the line did not do all that it can",
        )?;
        // A report that the line lost makes what it told of the line's.
        holds(
            store_full <= self.device.lost,
            "the device is blamed for what the line did",
        )?;
        holds(
            self.device.issued == self.device.written + self.device.lost,
            "the device is wrong",
        )?;
        let end = serde_json::json!({"recorded": issued, "written": written, "lost": self.lost()});
        holds(
            self.end.as_ref() == Some(&end),
            "the session's end says otherwise",
        )
    }

    fn line(&mut self, line: &Value) -> Result<(), Box<dyn Error>> {
        let session = line["session"].as_str().ok_or("a line has no session")?;
        if session != self.device.session {
            return Err(format!("{session} is not the device's session").into());
        }
        if let Some(number) = line["seq"].as_u64() {
            if !self.written.insert(number) {
                self.repeated += 1;
            }
        } else if let Some(loss) = line["loss"].as_object() {
            let number = |name: &str| loss.get(name).and_then(Value::as_u64);
            self.losses.push(Loss {
                first: number("first").ok_or("a loss has no first")?,
                last: number("last").ok_or("a loss has no last")?,
                count: number("count").ok_or("a loss has no count")?,
                cause: loss["cause"].as_str().unwrap_or_default().to_owned(),
            });
        } else if !line["end"].is_null() {
            self.end = Some(line["end"].clone());
        }
        Ok(())
    }

    fn lost(&self) -> u64 {
        self.losses.iter().map(|loss| loss.count).sum()
    }

    fn by_cause(&self) -> BTreeMap<&str, u64> {
        let mut by_cause = BTreeMap::new();
        for loss in &self.losses {
            *by_cause.entry(loss.cause.as_str()).or_default() += loss.count;
        }
        by_cause
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = &self.device;
        writeln!(f, "session  {}", device.session)?;
        writeln!(f, "line     {}", self.damage)?;
        writeln!(
            f,
            "device   wrote {} and lost {}",
            device.written, device.lost
        )?;
        writeln!(f)?;
        writeln!(f, "issued   {:>6}", device.issued)?;
        writeln!(f, "written  {:>6}", self.written.len())?;
        write!(f, "lost     {:>6}", self.lost())?;
        for (cause, count) in self.by_cause() {
            write!(f, "\n         {count:>6} {cause}")?;
        }
        Ok(())
    }
}

impl Device {
    /// Reads `session S issued N written N lost N`.
    fn parse(console: &str) -> Option<Self> {
        let mut words = console
            .split_whitespace()
            .skip_while(|word| *word != "session");
        let mut after = |name: &str| (words.next()? == name).then(|| words.next())?;
        Some(Self {
            session: after("session")?.to_owned(),
            issued: after("issued")?.parse().ok()?,
            written: after("written")?.parse().ok()?,
            lost: after("lost")?.parse().ok()?,
        })
    }
}

impl Loss {
    const fn is_dense(&self) -> bool {
        self.last - self.first + 1 == self.count
    }
}
