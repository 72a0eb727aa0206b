use std::{fs, os::unix::ffi::OsStringExt, path::PathBuf};

/// On whose behalf and by which program records are made: the fields `acct` and `exe`.
///
/// These are what the process says of itself. What the kernel says of it stands in front of them,
/// in fields that no process can choose: `pid`, `uid`, `auid`, `ses` and `subj`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    account: Vec<u8>,
    executable: Vec<u8>,
}

impl Identity {
    /// An account's name and a program's path, either of which may be empty for "unknown".
    ///
    /// Of the account about 64 characters are kept, of the path about 160; half as many of one
    /// that needs escaping.
    #[must_use]
    pub fn new(account: impl Into<Vec<u8>>, executable: impl Into<Vec<u8>>) -> Self {
        Self {
            account: account.into(),
            executable: executable.into(),
        }
    }

    /// This process's user, by the name in `/etc/passwd`, and program; what cannot be found out
    /// stays unknown.
    #[must_use]
    pub fn of_this_process() -> Self {
        let uid = rustix::process::getuid().as_raw();
        let passwd = fs::read("/etc/passwd").unwrap_or_default();
        let executable = fs::read_link("/proc/self/exe").map(PathBuf::into_os_string);
        Self {
            account: account_of(uid, &passwd).unwrap_or_default().to_vec(),
            executable: executable.unwrap_or_default().into_vec(),
        }
    }

    /// The account's name, empty if unknown.
    #[must_use]
    pub fn account(&self) -> &[u8] {
        &self.account
    }

    /// The program's path, empty if unknown.
    #[must_use]
    pub fn executable(&self) -> &[u8] {
        &self.executable
    }
}

/// The name in the first line of `passwd` (see passwd(5)) that is for `uid`.
fn account_of(uid: u32, passwd: &[u8]) -> Option<&[u8]> {
    let uid = uid.to_string();
    passwd.split(|&byte| byte == b'\n').find_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.as_bytes()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_number() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:33::/var/www:/bin/false\n";
        assert_eq!(account_of(33, passwd), Some(&b"web"[..]));
        assert_eq!(account_of(3, passwd), None);
    }

    #[test]
    fn this_process_knows_its_program() {
        let identity = Identity::of_this_process();
        assert!(identity.executable().starts_with(b"/"));
    }
}
