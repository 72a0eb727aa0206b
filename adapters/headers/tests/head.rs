//! The raw form: one scenario a test, each written as the bytes on the wire.

use throughline_core::{Sequence, SessionId, Stamp};
use throughline_headers::{Defect, HeadInjector, Names, RewriteError};
use uuid::Uuid;

const SESSION: SessionId = SessionId::from_uuid(Uuid::from_u128(0x0123_4567_89ab_4def_8123));
const PAIR: &str = "X-Coder-Agent-Firewall-Session-Id: 00000000-0000-0123-4567-89ab4def8123\r\n\
    X-Coder-Agent-Firewall-Sequence-Number: 42\r\n";

fn stamp() -> Stamp {
    Stamp::new(SESSION, Sequence::new(42).unwrap())
}

fn injector() -> HeadInjector {
    HeadInjector::new(&Names::DEFAULT, SESSION)
}

/// Rewrites `input` with a stamp; the new head as text and how much was dropped.
fn stamped(input: &str) -> Result<(String, usize), RewriteError> {
    let mut output = vec![0; input.len() + 512];
    let done = injector().rewrite(input.as_bytes(), &mut output, Some(stamp()))?;
    output.truncate(done.written);
    Ok((String::from_utf8(output).unwrap(), done.dropped))
}

/// What becomes of `fields`, given and taken without the pair.
fn fields(fields: &str) -> (String, usize) {
    let input = format!("GET / HTTP/1.1\r\n{fields}\r\n");
    let (output, dropped) = stamped(&input).unwrap();
    let start = output.strip_prefix("GET / HTTP/1.1\r\n").unwrap();
    let rest = start.strip_suffix(&format!("{PAIR}\r\n")).unwrap();
    (rest.to_owned(), dropped)
}

fn defect(input: &str) -> Result<Defect, RewriteError> {
    match stamped(input).unwrap_err() {
        RewriteError::Malformed { defect, .. } => Ok(defect),
        other => Err(other),
    }
}

#[test]
fn the_pair_goes_right_before_the_blank_line_and_the_body_is_left_alone() {
    let input = b"POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\n\r\nbody";
    let mut output = [0xee; 512];
    let done = injector()
        .rewrite(input, &mut output, Some(stamp()))
        .unwrap();
    let expected = format!("POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\n{PAIR}\r\n");
    assert_eq!(&output[..done.written], expected.as_bytes());
    assert_eq!(&input[done.consumed..], b"body");
    assert_eq!(done.dropped, 0);
    assert!(output[done.written..].iter().all(|byte| *byte == 0xee));
}

#[test]
fn without_a_stamp_a_head_without_ours_is_copied_as_it_is() {
    let input = b"GET / HTTP/1.1\r\nA:b\r\nC: \t d \t\r\nE:\r\n\r\n";
    let mut output = [0; 64];
    let done = injector().rewrite(input, &mut output, None).unwrap();
    assert_eq!(&output[..done.written], input);
    assert_eq!(done.consumed, input.len());
}

#[test]
fn a_head_without_fields_gets_the_pair() {
    for version in ["1.0", "1.1"] {
        let (output, _) = stamped(&format!("GET / HTTP/{version}\r\n\r\n")).unwrap();
        assert_eq!(output, format!("GET / HTTP/{version}\r\n{PAIR}\r\n"));
    }
}

#[test]
fn forged_fields_go_in_every_spelling_and_number() {
    let forged = "A: 1\r\n\
        x-coder-agent-firewall-session-id: f\r\n\
        X-CODER-AGENT-FIREWALL-SESSION-ID:\r\n\
        B: 2\r\n\
        X_Coder_Agent_Firewall_Session_Id: f\r\n\
        x_coder-agent_firewall-sequence_number:7\r\n\
        X.Coder.Agent.Firewall.Sequence.Number: 7\r\n\
        X-Coder-Agent-Firewall-Sequence-Number: 7\r\n\
        C: 3\r\n";
    let kept = "A: 1\r\nB: 2\r\nC: 3\r\n";
    assert_eq!(fields(forged), (kept.to_owned(), 6));
}

#[test]
fn names_that_are_only_like_ours_stay() {
    let near = "X-Coder-Agent-Firewall-Session-Ids: a\r\n\
        X-Coder-Agent-Firewall-Session-I: a\r\n\
        X-Coder-Agent-Firewall-Session-Ib: a\r\n\
        XCoderAgentFirewallSessionId: a\r\n\
        Referer: X-Coder-Agent-Firewall-Session-Id\r\n";
    assert_eq!(fields(near), (near.to_owned(), 0));
}

#[test]
fn a_nomination_of_ours_leaves_the_other_options() {
    for (given, kept, dropped) in [
        ("Connection: close\r\n", "Connection: close\r\n", 0),
        ("Connection:\r\n", "Connection:\r\n", 0),
        ("Connection: ,,a, \r\n", "Connection: ,,a, \r\n", 0),
        ("Connection: x-coder-agent-firewall-session-id\r\n", "", 1),
        (
            "connection:keep-alive, X_Coder_Agent_Firewall_Session_Id\t,x-hop\r\n",
            "connection:keep-alive,x-hop\r\n",
            1,
        ),
        (
            "CONNECTION: X-Coder-Agent-Firewall-Sequence-Number , X-Coder-Agent-Firewall-Session-Id,close\r\n",
            "CONNECTION:close\r\n",
            2,
        ),
        (
            "Connection: , X-Coder-Agent-Firewall-Session-Id ,\r\nConnection: a\r\n",
            "Connection: a\r\n",
            1,
        ),
    ] {
        assert_eq!(fields(given), (kept.to_owned(), dropped), "{given}");
    }
}

#[test]
fn a_head_that_two_readers_read_differently_is_refused() {
    let head = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n");
    for (fields, expected) in [
        ("A: b\r\n c", Defect::FoldedLine),
        (" A: b", Defect::FoldedLine),
        (
            "A: b\r\n\tX-Coder-Agent-Firewall-Session-Id: f",
            Defect::FoldedLine,
        ),
        (
            "X-Coder-Agent-Firewall-Session-Id : f",
            Defect::SpaceBeforeColon,
        ),
        ("A\t: b", Defect::SpaceBeforeColon),
        (
            "A: b\nX-Coder-Agent-Firewall-Session-Id: f",
            Defect::BareLineFeed,
        ),
        (
            "A: b\rX-Coder-Agent-Firewall-Session-Id: f",
            Defect::BareCarriageReturn,
        ),
        ("A: b\r\r", Defect::BareCarriageReturn),
        ("A: b\0", Defect::ControlByte),
        ("A: b\x0bc", Defect::ControlByte),
        ("A", Defect::MissingColon),
        (": b", Defect::FieldName),
        ("A\u{a0}: b", Defect::FieldName),
        ("A[0]: b", Defect::FieldName),
    ] {
        assert_eq!(defect(&head(fields)), Ok(expected), "{fields:?}");
    }
    for line in [
        "",
        " GET / HTTP/1.1",
        "GET /",
        "GET / HTTP/2.0",
        "GET / x HTTP/1.1",
    ] {
        let input = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(defect(&input), Ok(Defect::RequestLine), "{line:?}");
    }
    assert_eq!(
        defect("GET / HTTP/1.1\nHost: a\n\n"),
        Ok(Defect::BareLineFeed)
    );
}

#[test]
fn a_defect_is_told_as_soon_as_it_is_read() {
    let error = stamped("GET / HTTP/1.1\r\nA: b\r\nC : d").unwrap_err();
    let expected = RewriteError::Malformed {
        defect: Defect::SpaceBeforeColon,
        at: 23,
    };
    assert_eq!(error, expected);
    assert_eq!(
        error.to_string(),
        "the request head has whitespace before a colon at byte 23, refuse the request"
    );
}

#[test]
fn every_part_of_a_good_head_is_incomplete() {
    let input = "GET /a HTTP/1.1\r\nHost: b\r\nX-Coder-Agent-Firewall-Session-Id:f\r\nA:\t\r\n\r\n";
    for end in 0..input.len() {
        let error = stamped(&input[..end]).unwrap_err();
        assert_eq!(error, RewriteError::Incomplete, "{end} bytes");
    }
    assert!(stamped(input).is_ok());
}

#[test]
fn too_little_room_is_told_exactly_and_nothing_is_written() {
    let input = b"GET / HTTP/1.1\r\nX-Coder-Agent-Firewall-Session-Id: f\r\nHost: a\r\n\r\n";
    let needed = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".len() + PAIR.len();
    let mut output = vec![0xee; needed];
    for length in 0..needed {
        let error = injector()
            .rewrite(input, &mut output[..length], Some(stamp()))
            .unwrap_err();
        assert_eq!(error, RewriteError::NoRoom { needed });
        assert!(output.iter().all(|byte| *byte == 0xee));
    }
    let done = injector().rewrite(input, &mut output, Some(stamp()));
    assert_eq!(done.unwrap().written, needed);
}

#[test]
fn a_head_shrinks_into_a_buffer_that_would_not_hold_the_old_one() {
    let junk = "X-Coder-Agent-Firewall-Session-Id: f\r\n".repeat(1000);
    let input = format!("GET / HTTP/1.1\r\n{junk}\r\n");
    let mut output = [0; 18];
    let done = injector()
        .rewrite(input.as_bytes(), &mut output, None)
        .unwrap();
    assert_eq!(&output, b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!((done.consumed, done.dropped), (input.len(), 1000));
}

#[test]
fn a_huge_head_is_read_to_its_end() {
    let value = "v".repeat(1 << 20);
    let lines = format!("A: {value}\r\n").repeat(3) + &"B: c\r\n".repeat(10_000);
    assert_eq!(fields(&lines), (lines, 0));
}

#[test]
fn a_stamp_of_another_session_is_written_as_it_is() {
    let other = SessionId::from_uuid(Uuid::from_u128(1));
    let stamp = Stamp::new(other, Sequence::MAX);
    let mut output = [0; 256];
    let done = injector()
        .rewrite(b"GET / HTTP/1.1\r\n\r\n", &mut output, Some(stamp))
        .unwrap();
    let expected = "GET / HTTP/1.1\r\n\
        X-Coder-Agent-Firewall-Session-Id: 00000000-0000-0000-0000-000000000001\r\n\
        X-Coder-Agent-Firewall-Sequence-Number: 2147483647\r\n\r\n";
    assert_eq!(&output[..done.written], expected.as_bytes());
}

#[test]
fn own_names_are_stripped_and_injected_as_they_are_spelled() {
    let longest = "n".repeat(Names::MAX_LEN);
    let names = Names::new("Run", &longest).unwrap();
    let injector = HeadInjector::new(&names, SESSION);
    let input = format!(
        "GET / HTTP/1.1\r\nRUN: f\r\n{}: f\r\n{PAIR}\r\n",
        longest.to_uppercase()
    );
    let mut output = vec![0; 1024];
    let done = injector
        .rewrite(input.as_bytes(), &mut output, Some(stamp()))
        .unwrap();
    let expected = format!("GET / HTTP/1.1\r\n{PAIR}Run: {SESSION}\r\n{longest}: 42\r\n\r\n");
    assert_eq!(&output[..done.written], expected.as_bytes());
}
