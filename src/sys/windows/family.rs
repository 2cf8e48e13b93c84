//! Which family this is.

use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::core::{s, w};

use crate::sys::family::Family;

/// That of the running system: Wine's `ntdll` has a function that no other has.
pub(crate) fn running() -> Family {
    // SAFETY: it takes a name that ends in a zero. What it returns is never unloaded.
    let library = unsafe { GetModuleHandleW(w!("ntdll.dll")) };
    if library.is_null() {
        return Family::Windows;
    }
    // SAFETY: it takes a library that is loaded, and a name that ends in a zero.
    match unsafe { GetProcAddress(library, s!("wine_get_version")) } {
        Some(_) => Family::Wine,
        None => Family::Windows,
    }
}

/// Its name and release, and whether Wine makes it.
pub(crate) fn release() -> Option<String> {
    let kernel = kernel();
    Some(match running() {
        Family::Wine => format!("{kernel}, made by Wine"),
        _ => kernel,
    })
}

/// The system's name and release, such as `Windows 10.0.19045`.
fn kernel() -> String {
    use windows_sys::Wdk::System::SystemServices::RtlGetVersion;
    use windows_sys::Win32::System::SystemInformation::OSVERSIONINFOW;
    // SAFETY: it has numbers only, for which all zeros are a value.
    let mut found: OSVERSIONINFOW = unsafe { std::mem::zeroed() };
    found.dwOSVersionInfoSize = u32::try_from(size_of::<OSVERSIONINFOW>()).unwrap_or(0);
    // SAFETY: it fills in the structure, whose length it was told; it always succeeds.
    unsafe { RtlGetVersion(&raw mut found) };
    format!("Windows {}.{}.{}", found.dwMajorVersion, found.dwMinorVersion, found.dwBuildNumber)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_has_a_name() {
        let name = kernel();
        let numbers = name.strip_prefix("Windows ").unwrap();
        assert_eq!(numbers.split('.').filter(|it| it.parse::<u32>().is_ok()).count(), 3, "{name}");
    }

    #[test]
    fn the_release_has_a_number_and_tells_of_wine() {
        let release = release().unwrap();
        assert!(release.starts_with("Windows ") && release.contains('.'), "{release}");
        assert_eq!(release.ends_with(", made by Wine"), running() == Family::Wine, "{release}");
    }
}
