//! Allow rules and inject targets: which requests may leave, which get their headers, and what of a URL may be logged.
//!
//! A request is decided by the first rule that matches it; a request that no rule matches is denied. Everything here
//! borrows from the rule's or the URL's own bytes: no allocation, no panic, no I/O.
//!
//! ```
//! use throughline_rules::{Redaction, Rule, Url, first_match};
//!
//! let rules = [
//!     Rule::parse("domain=*.example.com path=/api/*").unwrap(),
//!     Rule::parse("method=GET,HEAD domain=docs.example.org").unwrap(),
//! ];
//!
//! // One parse of the URL serves every rule.
//! let url = Url::parse("https://eve:secret@eu.example.com/api/v2/../users?page=2").unwrap();
//! let (index, rule) = first_match(&rules, "POST", &url).unwrap();
//! assert_eq!((index, rule.as_str()), (0, "domain=*.example.com path=/api/*"));
//!
//! // The dots are resolved before a rule sees the path.
//! let url = Url::parse("https://eu.example.com/api/%2e%2e/admin").unwrap();
//! assert!(first_match(&rules, "POST", &url).is_none());
//!
//! // What is logged carries no password.
//! let mut line = [0; 64];
//! let written = Redaction::new().redact("https://eve:secret@eu.example.com/").write_to(&mut line).unwrap();
//! assert_eq!(&line[..written], b"https://eve:***@eu.example.com/");
//! ```
//!
//! # The words
//!
//! | word | meaning |
//! |---|---|
//! | rule | `key=value` words in one text, separated by spaces, tabs or line feeds; the keys are `method`, `domain` and `path`, all of which must match |
//! | target | a rule that chooses which requests get correlation headers; same type, same grammar |
//! | label | what stands between the dots of a host |
//! | segment | what stands between the slashes of a path |
//! | clear path | a path that every upstream reads the same way; only such a path can match a `path=` |
//!
//! # The grammar
//!
//! A key that is absent allows everything. `method=` and `path=` hold comma lists, and repeated keys add up; `domain=`
//! holds one pattern and stands once.
//!
//! | text | matches | does not match |
//! |---|---|---|
//! | `method=GET,HEAD` | `GET` | `get` |
//! | `method=*` | every method | |
//! | `domain=example.com` | `EXAMPLE.com`, `example.com.` | `a.example.com` |
//! | `domain=*.example.com` | `a.example.com`, `b.a.example.com` | `example.com` |
//! | `domain=a.*.com` | `a.b.com` | `a.b.c.com`, `a.com` |
//! | `domain=*` | every host, `[::1]` included | |
//! | `path=/api` | `/api`, `/x/../api`, `/%61pi` | `/api/`, `/API`, `/api/x` |
//! | `path=/api/*` | `/api/`, `/api/x/y` | `/api` |
//! | `path=/a/*/b` | `/a/x/b`, `/a/x%2Fy/b` | `/a/b`, `/a//b`, `/a/x/y/b` |
//!
//! Scheme, port, userinfo, query and fragment of a URL play no part. The trailing slash of a pattern is dropped:
//! `path=/api/` means `path=/api`. A segment that begins with `*` is `*` alone; a `*` further in is a literal one.
//! A text that could never match, such as `path=/a/../b`, is refused.
//!
//! [`Grammar::Strict`], the default, also refuses what reads like one thing and means another;
//! [`Grammar::Compatible`] lists what it lets through and what that then means. The grammar decides what is accepted as
//! a rule, never how a URL is read.
//!
//! # How a path is read
//!
//! - A `%XX` is decoded once, in the pattern and in the URL, and bytes are compared. `%252e` is the text `%2e`.
//! - Dot segments (`.`, `..`, and their spellings with `%2e`) are resolved before matching, as RFC 3986 section 5.2.4 does.
//! - An empty segment (`//`) is a segment of its own. It matches a last `*`, never one further in: an upstream that merges
//!   slashes must not see fewer segments than the rule did.
//! - `%2F` is a byte inside its segment and no separator: `/a%2Fb` is one segment, matched by `a%2Fb` or by `*`.
//! - A path that upstreams are known to read in different ways is not clear, and matches no `path=` at all, not even
//!   `path=*`: see [`PathProblem`]. It fails closed.
//!
//! What is left at risk: an upstream that turns `%2F` into a separator sees `/a/x/y/b` where `path=/a/*/b` let
//! `/a/x%2Fy/b` through; one that decodes twice sees dots in `%252e%252e`; one that ignores case in paths sees fewer
//! names than the rule. Where that matters, write the segments out instead of `*`.
//!
//! # What it does not do
//!
//! It resolves no names and normalises no addresses: `0x7f.1` and `2130706433` are labels like any other, so a rule for
//! `127.0.0.1` does not match them. It has no deny rules: what is not allowed is denied. It does not read internationalised
//! names: both sides are written in ASCII (`xn--...`).
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
#![cfg_attr(
    test,
    // A test that indexes past the end or unwraps a None fails, which is what a test is for.
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

#[cfg(test)]
extern crate std;

mod domain;
mod error;
mod explain;
mod host;
mod ipv6;
mod parse;
mod path;
mod percent;
mod redact;
mod rule;
mod segment;
mod url;
mod userinfo;
mod words;

pub use error::{Caret, RuleError, RuleErrorKind};
pub use explain::{Mismatch, Part};
pub use redact::{Pieces, Redacted, Redaction, TooSmall};
pub use rule::{Grammar, Rule, first_match};
pub use segment::{MAX_SEGMENTS, PathProblem};
pub use url::{Url, UrlError, UrlErrorKind};
