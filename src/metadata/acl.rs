//! POSIX ACLs in the form of the extended attribute: as much of them as copying needs.
//!
//! A header of four bytes (version 2), then eight bytes for each entry: tag, permissions, id, all
//! little-endian (linux/posix_acl_xattr.h).

const HEADER_BYTES: usize = 4;
const ENTRY_BYTES: usize = 8;
const GROUP_OBJ: u16 = 0x04;
/// The tags that permission bits cannot express: named users, named groups, the mask.
const EXTENDED: [u16; 3] = [0x02, 0x08, 0x10];

/// Tag and permissions of each entry; `None` when `acl` is not in that form.
fn entries(acl: &[u8]) -> Option<impl Iterator<Item = (u16, u16)>> {
    let (_, body) = acl.split_at_checked(HEADER_BYTES)?;
    let (entries, []) = body.as_chunks::<ENTRY_BYTES>() else { return None };
    let pairs = entries.iter().map(|&[tag_low, tag_high, low, high, ..]| {
        (u16::from_le_bytes([tag_low, tag_high]), u16::from_le_bytes([low, high]))
    });
    Some(pairs)
}

/// Whether the ACL says more than nine permission bits can; one that cannot be read does.
pub(super) fn is_extended(acl: &[u8]) -> bool {
    entries(acl).is_none_or(|mut entries| entries.any(|(tag, _)| EXTENDED.contains(&tag)))
}

/// The permission bits to give to a copy that cannot have this ACL.
///
/// With an ACL the group bits of `mode` are its mask: the most that any of the named may do. The
/// owning group itself gets what both its own entry and the mask allow; without the ACL it would
/// get the mask, which can be more.
pub(super) fn mode_without(acl: &[u8], mode: u32) -> u32 {
    let group = entries(acl)
        .and_then(|mut entries| entries.find(|&(tag, _)| tag == GROUP_OBJ))
        .map_or(0, |(_, permissions)| u32::from(permissions) & 0o7);
    mode & (!0o070 | group << 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Owner rw, user 77 rw, group as given, mask rw, others nothing.
    fn extended(group: u8) -> Vec<u8> {
        let mut acl = vec![2, 0, 0, 0];
        for (tag, permissions, id) in
            [(1, 6, u32::MAX), (2, 6, 77), (4, group, u32::MAX), (16, 6, u32::MAX), (32, 0, 0)]
        {
            acl.extend([tag, 0, permissions, 0]);
            acl.extend(id.to_le_bytes());
        }
        acl
    }

    #[test]
    fn the_mask_does_not_become_the_groups_permissions() {
        assert_eq!(mode_without(&extended(0), 0o4660), 0o4600);
        assert_eq!(mode_without(&extended(4), 0o660), 0o640);
        assert_eq!(mode_without(&extended(7), 0o660), 0o660);
    }

    #[test]
    fn three_entries_say_no_more_than_the_mode() {
        assert!(is_extended(&extended(4)));
        let minimal = [[2, 0, 0, 0].as_slice(), &[1, 0, 6, 0, 255, 255, 255, 255]].concat();
        assert!(!is_extended(&minimal));
    }

    #[test]
    fn what_cannot_be_read_is_taken_as_strict() {
        assert!(is_extended(b"abc"));
        assert!(is_extended(&[2, 0, 0, 0, 1]));
        assert_eq!(mode_without(b"abc", 0o664), 0o604);
    }
}
