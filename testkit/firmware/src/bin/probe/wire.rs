//! The agent socket's frames and messages.

use core::hint::black_box;

use throughline_protobuf::{Header, Message, Tag};

use crate::unknown::show;

pub(crate) fn frames(bytes: &[u8]) {
    let header = Header::parse(black_box([2, 0, 0, 0]));
    if let Err(error) = header {
        show(&error);
    }
    let tag = header.map_or(Tag::V1, |header| header.tag);
    black_box((tag.value(), header.map(Header::to_bytes).is_ok()));
    match Message::decode(tag, bytes) {
        Ok(Message::Logs(logs)) => black_box(logs.iter().count()),
        Ok(Message::Status(status)) => black_box(status.losses().count()),
        Ok(_) => 0,
        Err(error) => {
            show(&error);
            0
        }
    };
}
