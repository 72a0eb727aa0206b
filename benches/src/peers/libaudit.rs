//! libaudit, the C library of the kernel's audit tools, opened where it is installed.

#![allow(unsafe_code)]

use std::{
    ffi::{CStr, c_char, c_int},
    ptr,
};

use libloading::Library;

/// The library with a socket of its own.
#[derive(Debug)]
pub struct Libaudit {
    log: LogUserMessage,
    close: Close,
    socket: c_int,
    /// What the functions live in.
    _library: Library,
}

type Open = unsafe extern "C" fn() -> c_int;
type Close = unsafe extern "C" fn(c_int);
type LogUserMessage = unsafe extern "C" fn(
    c_int,
    c_int,
    *const c_char,
    *const c_char,
    *const c_char,
    *const c_char,
    c_int,
) -> c_int;

impl Libaudit {
    /// Opens the library and a socket.
    ///
    /// # Errors
    ///
    /// In words, why there is no such peer here.
    pub fn open() -> Result<Self, String> {
        // SAFETY: opening runs the library's initialisers; libaudit has none that ask anything of us.
        let library = unsafe { Library::new("libaudit.so.1") }
            .map_err(|_| "libaudit is not installed (Debian: libaudit1)".to_owned())?;
        // SAFETY: the types are those of audit_open(3), audit_close(3), audit_log_user_message(3)
        // and `libaudit.h`, which the library's major version 1 keeps.
        let (open, close, log) = unsafe {
            let symbol = |error: libloading::Error| error.to_string();
            (
                *library.get::<Open>(b"audit_open\0").map_err(symbol)?,
                *library.get::<Close>(b"audit_close\0").map_err(symbol)?,
                *library
                    .get::<LogUserMessage>(b"audit_log_user_message\0")
                    .map_err(symbol)?,
            )
        };
        // SAFETY: it takes nothing and returns a descriptor or -1.
        let socket = unsafe { open() };
        if socket < 0 {
            return Err("audit_open(3) fails".to_owned());
        }
        Ok(Self {
            log,
            close,
            socket,
            _library: library,
        })
    }

    /// Logs one message of this type with its result; whether the kernel took it.
    #[must_use]
    pub fn log(&self, kind: u16, message: &CStr, success: bool) -> bool {
        // SAFETY: the socket is open; the message ends with a NUL and outlives the call; the three
        // optional texts may be null, by audit_log_user_message(3).
        let sent = unsafe {
            (self.log)(
                self.socket,
                c_int::from(kind),
                message.as_ptr(),
                ptr::null(),
                ptr::null(),
                ptr::null(),
                c_int::from(success),
            )
        };
        sent > 0
    }
}

impl Drop for Libaudit {
    fn drop(&mut self) {
        // SAFETY: the socket came from `audit_open` and is closed once.
        unsafe { (self.close)(self.socket) }
    }
}
