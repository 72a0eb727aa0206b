//! Every sentence of the grammar, positive and negative, from a table.

use throughline_rules::{Grammar, Part, Rule, Url, first_match};

const TABLE: &str = include_str!("../../../testkit/vectors/rules.tsv");

struct Vector {
    line: usize,
    grammars: Vec<Grammar>,
    rule: String,
    method: &'static str,
    url: Vec<u8>,
    expected: &'static str,
}

#[test]
fn every_line_of_the_table_holds() {
    let mut checked = 0;
    for vector in vectors() {
        for &grammar in &vector.grammars {
            assert_eq!(
                observed(&vector, grammar),
                vector.expected,
                "line {}, {grammar:?}: {:?}",
                vector.line,
                vector.rule
            );
            checked += 1;
        }
    }
    // A table that is not read would pass otherwise.
    assert!(checked > 300, "only {checked} cases were read");
}

#[test]
fn a_rule_keeps_its_text_without_the_space_around_it_and_is_never_empty() {
    for vector in vectors() {
        for &grammar in &vector.grammars {
            let Ok(rule) = Rule::parse_as(&vector.rule, grammar) else {
                continue;
            };
            let trimmed = vector.rule.trim_matches([' ', '\t', '\n']);
            let expected = if trimmed.is_empty() {
                "method=*"
            } else {
                trimmed
            };
            assert_eq!(rule.as_str(), expected, "line {}", vector.line);
            assert_eq!(rule.to_string(), expected, "line {}", vector.line);
        }
    }
}

#[test]
fn what_the_strict_grammar_accepts_the_compatible_one_reads_the_same() {
    for vector in vectors() {
        if Rule::parse(&vector.rule).is_ok() {
            assert_eq!(
                observed(&vector, Grammar::Compatible),
                observed(&vector, Grammar::Strict),
                "line {}",
                vector.line
            );
        }
    }
}

fn observed(vector: &Vector, grammar: Grammar) -> String {
    let rule = match Rule::parse_as(&vector.rule, grammar) {
        Ok(rule) => rule,
        Err(error) => return format!("error {:?}@{}", error.kind(), error.offset()),
    };
    let url = match Url::parse(&vector.url) {
        Ok(url) => url,
        Err(error) => return format!("url {:?}@{}", error.kind(), error.offset()),
    };
    let explained = rule.explain(vector.method, &url);
    let matched = first_match(std::slice::from_ref(&rule), vector.method, &url);
    assert_eq!(matched.is_some(), explained.is_ok(), "line {}", vector.line);
    match explained {
        Ok(()) => "allow".into(),
        Err(mismatch) => match mismatch.part() {
            Part::Method => "deny method".into(),
            Part::Domain => "deny domain".into(),
            Part::Path => "deny path".into(),
        },
    }
}

fn vectors() -> impl Iterator<Item = Vector> {
    let lines = TABLE.lines().enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(index, line)| {
            let line_number = index + 1;
            let columns: Vec<&str> = line.split('\t').collect();
            let [grammar, rule, method, url, expected, _note] = columns[..] else {
                panic!("line {line_number} has {} columns", columns.len());
            };
            Vector {
                line: line_number,
                grammars: grammars(grammar),
                rule: String::from_utf8(unescape(rule)).unwrap(),
                method,
                url: unescape(url),
                expected,
            }
        })
}

fn grammars(text: &str) -> Vec<Grammar> {
    match text {
        "strict" => vec![Grammar::Strict],
        "compatible" => vec![Grammar::Compatible],
        "both" => vec![Grammar::Strict, Grammar::Compatible],
        _ => panic!("unknown grammar {text:?}"),
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next() {
                Some(b't') => b'\t',
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b'\\') => b'\\',
                Some(b'x') => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => panic!("unknown escape {other:?} in {text:?}"),
            },
            byte => byte,
        });
    }
    plain
}
