use std::{borrow::Cow, ffi::OsString};

use throughline_rules::Redaction;

/// The command line of a run, as a person would type it again with one more rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandLine {
    /// The program and its subcommand.
    run: String,
    /// What follows.
    rest: String,
}

impl CommandLine {
    /// From the program's arguments, if they are those of a `run`.
    ///
    /// The passwords of URLs are hidden: whoever is told the command line need not know those of this program.
    pub(crate) fn of(args: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut args = args.into_iter();
        let (program, run) = (args.next()?, args.next()?);
        if run != "run" {
            return None;
        }
        let mut rest = String::new();
        for arg in args {
            rest.push(' ');
            rest.push_str(&quoted(&redacted(&arg.to_string_lossy())));
        }
        let run = format!("{} run", quoted(&program.to_string_lossy()));
        Some(Self { run, rest })
    }

    /// The same run with `rule`, which fits between single quotes. What is too long to be typed is left out.
    pub(crate) fn allowing(&self, rule: &str) -> String {
        let Self { run, rest } = self;
        match rest.len() {
            ..=REST_MAX => format!("{run} --allow '{rule}'{rest}"),
            _ => format!("{run} --allow '{rule}' ..."),
        }
    }
}

/// As a shell takes it for one word.
fn quoted(arg: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !arg.is_empty() && arg.bytes().all(plain) {
        return Cow::Borrowed(arg);
    }
    if !arg.chars().any(char::is_control) {
        return Cow::Owned(format!("'{}'", arg.replace('\'', r"'\''")));
    }
    // Else a line's end in it would look like that of the answer's.
    let mut quoted = String::from("$'");
    for letter in arg.chars() {
        match letter {
            '\'' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('\'');
    Cow::Owned(quoted)
}

/// The same with the passwords of the URLs in it hidden.
fn redacted(arg: &str) -> String {
    arg.split_inclusive(char::is_whitespace)
        .map(redacted_word)
        .collect()
}

fn redacted_word(word: &str) -> String {
    let Some((before, _)) = word.split_once("://") else {
        return word.to_owned();
    };
    let of_scheme = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
    let start = before.trim_end_matches(of_scheme).len();
    let url = Redaction::new().redact(&word[start..]);
    let bytes: Vec<u8> = url.pieces().flatten().copied().collect();
    let url = String::from_utf8_lossy(&bytes);
    // There may be another one behind it.
    match url.split_once("://") {
        Some((scheme, rest)) => [&word[..start], scheme, "://", &redacted_word(rest)].concat(),
        None => [&word[..start], &url].concat(),
    }
}

/// How long what follows the rule may be (bytes).
const REST_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn allowing(args: &[&str]) -> Option<String> {
        let line = CommandLine::of(args.iter().map(Into::into))?;
        Some(line.allowing("domain=a"))
    }

    #[test]
    fn the_rule_comes_first_and_each_word_stays_one() {
        let cases: [(&[&str], &str); 4] = [
            (
                &["throughline", "run", "--", "curl", "http://h/?a=b&c=d"],
                "throughline run --allow 'domain=a' -- curl 'http://h/?a=b&c=d'",
            ),
            (
                &[
                    "/a b/t",
                    "run",
                    "-q",
                    "--allow",
                    "method=GET path=/*",
                    "--",
                    "sh",
                    "-c",
                    "it's",
                    "",
                ],
                r"'/a b/t' run --allow 'domain=a' -q --allow 'method=GET path=/*' -- sh -c 'it'\''s' ''",
            ),
            (
                &["t", "run", "--", "a\nb\\'"],
                r"t run --allow 'domain=a' -- $'a\u000ab\\\''",
            ),
            (
                &["t", "run", "--", "$(reboot)", "`id`"],
                "t run --allow 'domain=a' -- '$(reboot)' '`id`'",
            ),
        ];
        for (args, line) in cases {
            assert_eq!(allowing(args).as_deref(), Some(line));
        }
        assert_eq!(allowing(&["throughline", "demo", "run"]), None);
        assert_eq!(allowing(&["throughline"]), None);
    }

    #[test]
    fn no_password_of_a_url_is_told() {
        for arg in [
            "http://eve:secret@proxy:3128",
            "--upstream-proxy=http://eve:secret@proxy:3128",
            "curl -x http://eve:secret@proxy 'https://a:secret@b/'",
            "http://a/,http://b:sec=secret'@c",
        ] {
            let line = allowing(&["t", "run", arg]).unwrap();
            assert!(!line.contains("secret") && line.contains(":***@"), "{line}");
        }
        assert!(allowing(&["t", "run", "a:b@c"]).unwrap().contains("a:b@c"));
    }

    #[test]
    fn what_is_too_long_is_left_out() {
        let long = "x".repeat(REST_MAX);
        let line = allowing(&["t", "run", "--", &long]);
        assert_eq!(line.as_deref(), Some("t run --allow 'domain=a' ..."));
    }
}
