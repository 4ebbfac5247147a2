//! What a firmware image takes of its microcontroller's memories.

use anyhow::{Context, Result};
use object::{Object, ObjectSection, SectionFlags, elf};
use std::path::Path;

/// Bytes, by memory. The stack is not counted: nothing in the file tells its depth.
pub struct Size {
    /// Code, constants and the initial values of variables.
    pub flash: u64,
    /// Variables.
    pub ram: u64,
}

/// Adds up the sections of an ELF file: `.text` + `.rodata` + `.data` are flash, `.data` + `.bss` RAM.
pub fn of(path: &Path) -> Result<Size> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = object::File::parse(&*bytes).with_context(|| format!("{}", path.display()))?;
    let mut size = Size { flash: 0, ram: 0 };
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        let has = |flag: u32| sh_flags & u64::from(flag) != 0;
        if !has(elf::SHF_ALLOC) {
            continue;
        }
        // `.bss` is in the file by name only: it has an address and a size but no bytes.
        let in_file = section.file_range().is_some_and(|(_, length)| length > 0);
        size.flash += if in_file { section.size() } else { 0 };
        size.ram += if has(elf::SHF_WRITE) { section.size() } else { 0 };
    }
    Ok(size)
}
