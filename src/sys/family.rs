//! Families of systems.

/// Whose calls a program makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// Those of Linux.
    Linux,
    /// Those of macOS.
    Macos,
    /// Those of Windows.
    Windows,
    /// Those of Windows, which Wine makes of the ones of another system.
    Wine,
}

impl Family {
    /// That of the running system.
    #[must_use]
    pub fn running() -> Self {
        super::system::family::running()
    }

    /// The running system's name and release, where what its calls promise depends on them.
    pub(crate) fn release() -> Option<String> {
        super::system::family::release()
    }

    /// Whether its calls are those of Windows, whoever carries them out.
    pub(crate) const fn has_windows_calls(self) -> bool {
        matches!(self, Self::Windows | Self::Wine)
    }
}
