//! What a request's head means to another parser, and what has to become of it.

use http::{HeaderMap, HeaderName, HeaderValue};
use throughline_core::Stamp;
use throughline_headers::Names;

/// A head as `httparse` reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Method, target and minor version.
    pub start: String,
    /// Names as they were written, and values, in order.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The length of the head with its blank line (bytes).
    pub len: usize,
}

impl Head {
    /// Reads the head that `bytes` begin with; `None` if it is not whole, or refused.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut headers = vec![httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let Ok(httparse::Status::Complete(len)) = request.parse(bytes) else {
            return None;
        };
        let fields = request.headers.iter();
        Some(Self {
            start: format!("{} {} {}", request.method?, request.path?, request.version?),
            fields: fields
                .map(|field| (field.name.to_owned(), field.value.to_vec()))
                .collect(),
            len,
        })
    }

    /// The same head without what a client may not set, and with the fields of `stamp`.
    #[must_use]
    pub fn stamped(mut self, stamp: Option<Stamp>) -> Self {
        self.fields.retain(|(name, _)| !is_ours(name.as_bytes()));
        for (name, value) in &mut self.fields {
            if name.eq_ignore_ascii_case("connection") {
                let mut rest = options(value);
                if rest.iter().any(|option| is_ours(option)) {
                    rest.retain(|option| !is_ours(option));
                    if rest.is_empty() {
                        name.clear();
                    }
                    *value = rest.join(&b',');
                }
            }
        }
        self.fields.retain(|(name, _)| !name.is_empty());
        if let Some(stamp) = stamp {
            let (session, number) = (stamp.session(), stamp.sequence());
            let (session, number) = (session.to_string(), number.to_string());
            let names = Names::DEFAULT;
            self.fields
                .push((names.session().to_owned(), session.into_bytes()));
            self.fields
                .push((names.sequence().to_owned(), number.into_bytes()));
        }
        self
    }

    /// The fields so that heads that mean the same are equal: in a list of options of a connection
    /// the whitespace carries nothing.
    #[must_use]
    pub fn normal(&self) -> Vec<(String, Vec<u8>)> {
        let normal = |(name, value): &(String, Vec<u8>)| {
            let value = if name.eq_ignore_ascii_case("connection") {
                options(value).join(&b',')
            } else {
                value.clone()
            };
            (name.clone(), value)
        };
        self.fields.iter().map(normal).collect()
    }

    /// The fields as a map, if that takes them.
    #[must_use]
    pub fn to_map(&self) -> Option<HeaderMap> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.fields {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            map.append(name, HeaderValue::from_bytes(value).ok()?);
        }
        Some(map)
    }
}

/// The fields of a map by name, in the order of their values and normal as [`Head::normal`] has it.
#[must_use]
pub fn sorted(map: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let mut fields: Vec<_> = map
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    let head = Head {
        start: String::new(),
        fields,
        len: 0,
    };
    head.normal()
}

/// Whether a server that turns separators into underscores, byte by byte, takes `name` for one of the
/// two.
fn is_ours(name: &[u8]) -> bool {
    let fold = |byte: &u8| match byte.is_ascii_alphanumeric() {
        true => byte.to_ascii_uppercase(),
        false => b'_',
    };
    let name: Vec<u8> = name.iter().map(fold).collect();
    name == b"X_CODER_AGENT_FIREWALL_SESSION_ID"
        || name == b"X_CODER_AGENT_FIREWALL_SEQUENCE_NUMBER"
}

fn options(value: &[u8]) -> Vec<&[u8]> {
    let options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    options.filter(|option| !option.is_empty()).collect()
}

const FIELDS_MAX: usize = 1024;
