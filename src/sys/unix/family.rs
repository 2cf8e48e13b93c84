//! Which family this is.

use crate::sys::family::Family;

/// That of the running system.
pub(crate) fn running() -> Family {
    if cfg!(target_os = "macos") { Family::Macos } else { Family::Linux }
}

/// No more than that need be said of it: what its calls promise is that of their manual pages.
pub(crate) fn release() -> Option<String> {
    None
}
