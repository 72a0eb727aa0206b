//! The messages of `adapters/protobuf/agent_socket.proto` for prost: an encoder and decoder that
//! shares nothing with the one under test.

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Timestamp {
    /// Seconds since the epoch.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds within the second.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// `BoundaryLog.HttpRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HttpRequest {
    /// The request method.
    #[prost(string, tag = "1")]
    pub method: String,
    /// The URL that was asked for.
    #[prost(string, tag = "2")]
    pub url: String,
    /// The rule that let it out.
    #[prost(string, tag = "3")]
    pub matched_rule: String,
}

/// `BoundaryLog`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BoundaryLog {
    /// Whether the request was let out.
    #[prost(bool, tag = "1")]
    pub allowed: bool,
    /// When it happened.
    #[prost(message, optional, tag = "2")]
    pub time: Option<Timestamp>,
    /// The request.
    #[prost(message, optional, tag = "3")]
    pub http_request: Option<HttpRequest>,
    /// Its number.
    #[prost(int32, tag = "4")]
    pub sequence_number: i32,
}

/// `ReportBoundaryLogsRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ReportBoundaryLogsRequest {
    /// The events.
    #[prost(message, repeated, tag = "1")]
    pub logs: Vec<BoundaryLog>,
    /// The session.
    #[prost(string, tag = "2")]
    pub session_id: String,
    /// The confined program.
    #[prost(string, tag = "3")]
    pub confined_process_name: String,
}

/// `Loss`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Loss {
    /// The first number lost.
    #[prost(int32, tag = "1")]
    pub first: i32,
    /// The last number lost (inclusive).
    #[prost(int32, tag = "2")]
    pub last: i32,
    /// How many of them are lost.
    #[prost(uint32, tag = "3")]
    pub count: u32,
    /// Why: `Loss.Cause`.
    #[prost(int32, tag = "4")]
    pub cause: i32,
}

/// `End`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct End {
    /// Numbers given out.
    #[prost(uint32, tag = "1")]
    pub recorded: u32,
    /// Events written.
    #[prost(uint32, tag = "2")]
    pub written: u32,
    /// Events lost.
    #[prost(uint32, tag = "3")]
    pub lost: u32,
}

/// `BoundaryStatus`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BoundaryStatus {
    /// Events that found no room, since the last status.
    #[prost(int64, tag = "1")]
    pub dropped_channel_full: i64,
    /// Events lost otherwise, since the last status.
    #[prost(int64, tag = "2")]
    pub dropped_batch_full: i64,
    /// The session.
    #[prost(string, tag = "1000")]
    pub session_id: String,
    /// The lost ranges.
    #[prost(message, repeated, tag = "1001")]
    pub losses: Vec<Loss>,
    /// The end of the session.
    #[prost(message, optional, tag = "1002")]
    pub end: Option<End>,
    /// Whether each frame is to be answered.
    #[prost(bool, tag = "1003")]
    pub acknowledge: bool,
}

/// `BoundaryMessage`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BoundaryMessage {
    /// What it carries.
    #[prost(oneof = "Msg", tags = "1, 2")]
    pub msg: Option<Msg>,
}

/// The oneof of [`BoundaryMessage`].
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Msg {
    /// Events.
    #[prost(message, tag = "1")]
    Logs(ReportBoundaryLogsRequest),
    /// Losses and ends.
    #[prost(message, tag = "2")]
    Status(BoundaryStatus),
}
