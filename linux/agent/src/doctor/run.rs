//! What `run` needs of the host beside the socket.

use std::{
    env,
    net::{Ipv4Addr, TcpListener},
    path::Path,
};

use rustix::fs::{Access, access};
use throughline_core::SessionId;
use throughline_socket::Host;

use super::finding::{Area, Finding, Verdict};
use crate::{
    bundle::Bundle,
    config::Config,
    proxy::{Authority, Trust},
    recording::Destinations,
};

/// What there is to say of each.
pub(super) fn findings(config: &Config, to: &Destinations) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(to.trail.as_deref().map(|path| place("trail", path)));
    findings.extend(to.spool.as_deref().map(|path| place("spool", path)));
    findings.push(listening());
    match config.trust() {
        Ok(trust) => {
            findings.push(files(&trust));
            findings.push(roots(&trust));
        }
        Err(error) => findings.push(Finding::new(
            Area::Proxy,
            "upstreams",
            Verdict::Bad,
            error.to_string(),
            "give a file of certificates with --upstream-ca",
        )),
    }
    findings
}

/// Whether there can be written at `path`, or to the folder in which it would be made.
fn place(subject: &str, path: &Path) -> Finding {
    let shown = path.display();
    let parent = path.parent().filter(|path| !path.as_os_str().is_empty());
    let target = match path.exists() {
        true => path,
        false => parent.unwrap_or(Path::new(".")),
    };
    match access(target, Access::WRITE_OK) {
        Ok(()) => Finding::good(Area::Records, subject, format!("{shown} can be written")),
        Err(error) => Finding::new(
            Area::Records,
            subject,
            Verdict::Bad,
            format!("{shown} cannot be written: {}: {error}", target.display()),
            "make the folder, or look at its permissions and at how it is mounted",
        ),
    }
}

fn listening() -> Finding {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) {
        Ok(_) => Finding::good(Area::Proxy, "listening", "127.0.0.1 can be listened at"),
        Err(error) => Finding::new(
            Area::Proxy,
            "listening",
            Verdict::Bad,
            format!("127.0.0.1 cannot be listened at: {error}"),
            "bring the loopback interface up: ip link set lo up",
        ),
    }
}

/// Makes the files that a command is to trust, and removes them again.
fn files(trust: &Trust) -> Finding {
    let folder = env::temp_dir();
    let shown = folder.display();
    match trial(trust) {
        Ok(()) => Finding::good(
            Area::Proxy,
            "certificates",
            format!("the files that a command is to trust can be written in {shown}"),
        ),
        Err(error) => Finding::new(
            Area::Proxy,
            "certificates",
            Verdict::Bad,
            format!("the files that a command is to trust cannot be written in {shown}: {error}"),
            "point TMPDIR at a folder that can be written",
        ),
    }
}

fn trial(trust: &Trust) -> Result<(), Box<dyn std::error::Error>> {
    let session = SessionId::draw(&Host::new(0)?);
    let authority = Authority::new(session)?;
    drop(Bundle::write(session, &authority, trust)?);
    Ok(())
}

fn roots(trust: &Trust) -> Finding {
    let doubtful = |detail: String| {
        let remedy = "install ca-certificates, or look at SSL_CERT_FILE and SSL_CERT_DIR";
        Finding::new(Area::Proxy, "upstreams", Verdict::Doubtful, detail, remedy)
    };
    if let Some(problem) = trust.problems().first() {
        return doubtful(format!(
            "some of the system's certificates cannot be used: {problem}"
        ));
    }
    if trust.pem().is_empty() {
        return doubtful("there are no certificates by which to trust one over HTTPS".to_owned());
    }
    Finding::good(
        Area::Proxy,
        "upstreams",
        "there are certificates by which to trust them over HTTPS",
    )
}
