/// The values of the two headers in a line of the combined log format with the two behind it:
///
/// ```text
/// HOST IDENT USER [TIME] "REQUEST" STATUS BYTES "REFERER" "AGENT" ... "SESSION" "NUMBER"
/// ```
///
/// They are the last two fields of the line, in quotes or not; more fields may stand before them. A
/// value that was not there is `-`. Within quotes, a backslash takes the next character with it, as
/// Apache and nginx write it.
pub(super) fn pair(line: &[u8]) -> Result<(Option<String>, Option<String>), &'static str> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
    let mut fields = Fields(text.trim_end());
    for index in 0..FIELDS {
        let field = fields.next().ok_or("it has too few fields")??;
        let is_right = match index {
            3 => field.opened_by == Some('['),
            4 | 7 | 8 => field.opened_by == Some('"'),
            5 => field.text.len() == 3 && field.text.bytes().all(|byte| byte.is_ascii_digit()),
            _ => true,
        };
        if !is_right {
            return Err("a field is not what it should be");
        }
    }
    let (mut session, mut number) = (None, None);
    for field in fields {
        session = number.replace(field?.text.to_owned());
    }
    if session.is_none() {
        return Err("it ends before the two values");
    }
    Ok((session, number))
}

/// The fields of the combined log format.
const FIELDS: usize = 9;

/// The fields of a line, with what encloses them taken off.
struct Fields<'a>(&'a str);

struct Field<'a> {
    text: &'a str,
    opened_by: Option<char>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_start_matches(' ');
        let opened_by = rest.chars().next()?;
        let inner = rest.get(1..).unwrap_or_default();
        let end = match opened_by {
            '"' => end_of_quoted(inner),
            '[' => inner.find(']'),
            _ => {
                let (text, after) = rest.split_once(' ').unwrap_or((rest, ""));
                self.0 = after;
                let opened_by = None;
                return Some(Ok(Field { text, opened_by }));
            }
        };
        let Some((text, after)) = end.and_then(|end| inner.split_at_checked(end)) else {
            self.0 = "";
            return Some(Err("a quote or a bracket is not closed"));
        };
        self.0 = after.get(1..).unwrap_or_default();
        let opened_by = Some(opened_by);
        Some(Ok(Field { text, opened_by }))
    }
}

/// Where the quote is that closes a field.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    })
}
