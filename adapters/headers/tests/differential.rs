//! The raw form against an independent parser and a naive rewriting of what that parser reads.

use proptest::{collection::vec, prelude::*, sample::select};
use throughline_core::{Sequence, SessionId, Stamp};
use throughline_headers::{HeadInjector, Names, RewriteError};
use uuid::Uuid;

const SESSION: SessionId = SessionId::from_uuid(Uuid::from_u128(7));

/// A field as a parser sees it.
type Field = (String, Vec<u8>);

/// The request line's parts and the fields, or `None` if the other parser refuses the head.
fn parsed(head: &[u8]) -> Option<(String, Vec<Field>, usize)> {
    let mut headers = vec![httparse::EMPTY_HEADER; 256];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(head) {
        Ok(httparse::Status::Complete(length)) => length,
        _ => return None,
    };
    let start = format!("{} {} {}", request.method?, request.path?, request.version?);
    let fields = request.headers.iter();
    let fields = fields.map(|field| (field.name.to_owned(), field.value.to_vec()));
    Some((start, fields.collect(), length))
}

/// Whether a server that turns separators into underscores, byte by byte, takes `name` for one of ours.
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

/// The fields that must come out, by the plainest code there is.
fn expected(fields: Vec<Field>, number: u32) -> Vec<Field> {
    let mut kept = Vec::new();
    for (name, value) in fields {
        let nominated = options(&value).iter().any(|option| is_ours(option));
        if is_ours(name.as_bytes()) {
            continue;
        }
        if !name.eq_ignore_ascii_case("connection") || !nominated {
            kept.push((name, value));
            continue;
        }
        let mut rest = options(&value);
        rest.retain(|option| !is_ours(option));
        if !rest.is_empty() {
            kept.push((name, rest.join(&b',')));
        }
    }
    let names = Names::DEFAULT;
    kept.push((names.session().to_owned(), SESSION.to_string().into_bytes()));
    kept.push((names.sequence().to_owned(), number.to_string().into_bytes()));
    kept
}

/// Lists compare by their options, for the whitespace between those carries nothing.
fn normal(fields: Vec<Field>) -> Vec<Field> {
    let normal = |(name, value): Field| {
        if name.eq_ignore_ascii_case("connection") {
            let value = options(&value).join(&b',');
            return (name, value);
        }
        (name, value)
    };
    fields.into_iter().map(normal).collect()
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "Host",
            "Connection",
            "connection",
            "User-Agent",
            "X-Coder-Agent-Firewall-Session-Id",
            "x-coder-agent-firewall-session-id",
            "X_Coder_Agent_Firewall_Session_Id",
            "X-Coder-Agent-Firewall-Sequence-Number",
            "x_CODER-agent.firewall~sequence_number",
            "X-Coder-Agent-Firewall-Session-Ix",
        ])
        .prop_map(str::to_owned),
        "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}",
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let option = prop_oneof![name(), "[ \t]{0,2}", "[a-z]{1,9}"];
    prop_oneof![
        "[ -~\t]{0,80}".prop_map(String::into_bytes),
        vec(option, 0..5).prop_map(|options| options.join(" ,").into_bytes()),
        vec(
            prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8],
            0..40
        ),
    ]
}

fn good_head() -> impl Strategy<Value = Vec<u8>> {
    let space = select(vec!["", " ", "\t ", "   "]);
    let start = ("[A-Z]{1,7}", "/[!-~]{0,60}", 0..2_u8);
    (start, vec((name(), space, value()), 0..12)).prop_map(|((method, target, minor), fields)| {
        let mut head = format!("{method} {target} HTTP/1.{minor}\r\n").into_bytes();
        for (name, space, value) in fields {
            head.extend(name.bytes().chain([b':']).chain(space.bytes()));
            head.extend(value.into_iter().chain(*b"\r\n"));
        }
        head.extend(b"\r\n");
        head
    })
}

fn broken_head() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        select(b"\r\n\0\t :,-_\x0b\x7f\x80\xa0\xff".to_vec()),
        any::<u8>()
    ];
    let edit = (any::<prop::sample::Index>(), byte, 0..3_u8);
    (good_head(), vec(edit, 1..4)).prop_map(|(mut head, edits)| {
        for (place, byte, kind) in edits {
            let place = place.index(head.len());
            match kind {
                0 => head[place] = byte,
                1 => head.insert(place, byte),
                _ if head.len() > 1 => drop(head.remove(place)),
                _ => {}
            }
        }
        head
    })
}

fn rewrite(head: &[u8], number: u32) -> Result<(Vec<u8>, usize), RewriteError> {
    let stamp = Stamp::new(SESSION, Sequence::new(number).unwrap());
    let mut output = vec![0; head.len() + 512];
    let injector = HeadInjector::new(&Names::DEFAULT, SESSION);
    let done = injector.rewrite(head, &mut output, Some(stamp))?;
    output.truncate(done.written);
    Ok((output, done.consumed))
}

/// What passes must mean the same to the other parser, before and after.
fn check(head: &[u8], number: u32) -> Result<(), TestCaseError> {
    let Ok((output, consumed)) = rewrite(head, number) else {
        return Ok(());
    };
    // The other parser wants UTF-8 in a target, which is not for a rewriting to judge.
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    if !line.is_ascii() {
        return Ok(());
    }
    let (start, fields, length) = parsed(head).expect("what passes is a good head to others");
    prop_assert_eq!(length, consumed);
    let (new_start, new_fields, new_length) = parsed(&output).expect("and so is what comes out");
    prop_assert_eq!(new_length, output.len());
    prop_assert_eq!(start, new_start);
    prop_assert_eq!(normal(new_fields), normal(expected(fields, number)));
    Ok(())
}

#[test]
fn a_lone_line_feed_is_refused_though_the_other_parser_takes_it() {
    let head = b"GET / HTTP/1.1\nHost: a\n\n";
    assert!(parsed(head).is_some());
    let refused = rewrite(head, 0);
    assert!(matches!(
        refused,
        Err(RewriteError::Malformed { at: 14, .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_good_head_passes_and_means_the_same(head in good_head(), body in vec(any::<u8>(), 0..20), number in 0..=0x7fff_ffff_u32) {
        let whole = [head.clone(), body].concat();
        let (_, consumed) = rewrite(&whole, number).expect("good heads pass");
        prop_assert_eq!(consumed, head.len());
        check(&whole, number)?;
    }

    #[test]
    fn a_broken_head_is_refused_or_means_the_same(head in broken_head(), number in 0..=0x7fff_ffff_u32) {
        check(&head, number)?;
    }

    #[test]
    fn a_part_of_a_good_head_is_incomplete(head in good_head(), end in any::<prop::sample::Index>()) {
        let part = &head[..end.index(head.len())];
        prop_assert_eq!(rewrite(part, 0), Err(RewriteError::Incomplete));
    }

    #[test]
    fn a_rewritten_head_is_rewritten_to_the_same(head in good_head()) {
        let (once, _) = rewrite(&head, 5).expect("good heads pass");
        let (twice, _) = rewrite(&once, 5).expect("and so does what comes out");
        prop_assert_eq!(once, twice);
    }
}
