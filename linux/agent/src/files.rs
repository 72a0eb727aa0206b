use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process have as many files open as it may have at all; those started before keep their limit.
///
/// Each client takes two, its own connection and the upstream's. Where 1024 are usual, which is on most systems as some
/// programs can tell no more apart, half as many clients would be one too many.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!("the limit of open files stays as it is, {error}");
    }
}
