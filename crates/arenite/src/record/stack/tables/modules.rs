//! Reads how a function's frame is left from the tables that compilers leave behind for exceptions (`.eh_frame`, and its index
//! `.eh_frame_hdr`). Some microseconds; takes no memory, and little of the stack.
//!
//! The tables are read in place. They are those of code that the calling thread returns to, so nobody unloads it meanwhile; the unwinding
//! library relies on the same.

use core::ffi::{c_int, c_void};
use core::mem::{MaybeUninit, transmute};
use core::ptr::{null_mut, with_exposed_provenance};

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EndianSlice, NativeEndian, Reader as _, Register, RegisterRule,
    UnwindContext, UnwindContextStorage, UnwindExpression, UnwindSection as _, UnwindTableRow,
};

use super::rule::{Base, Rule};
use crate::base::sync::{AtomicPtr, Ordering};
use crate::record::modules::ASKING;

/// Registers by their numbers in the tables; the return address is a column there, or the register it is in.
#[cfg(target_arch = "x86_64")]
mod number {
    use gimli::Register;

    pub(super) const FRAME: Register = Register(6);
    pub(super) const STACK: Register = Register(7);
    pub(super) const RETURN: Register = Register(16);
    /// `DW_OP_breg6`.
    pub(super) const AT_FRAME: u8 = 0x76;
    /// Registers of which a row may tell: those that functions preserve, and some more.
    pub(super) const MOST: usize = 12;
}

#[cfg(target_arch = "aarch64")]
mod number {
    use gimli::Register;

    pub(super) const FRAME: Register = Register(29);
    pub(super) const STACK: Register = Register(31);
    pub(super) const RETURN: Register = Register(30);
    /// `DW_OP_breg29`.
    pub(super) const AT_FRAME: u8 = 0x70 + 29;
    /// Registers of which a row may tell: those that functions preserve, and some more.
    pub(super) const MOST: usize = 28;
}

/// `DW_OP_deref`.
const DEREF: u8 = 0x06;

type Bytes = EndianSlice<'static, NativeEndian>;

/// Rows are made on the stack. What has no room there is left to the unwinding library.
struct OnStack;

impl UnwindContextStorage<usize> for OnStack {
    type Rules = [(Register, RegisterRule<usize>); number::MOST];
    type Stack = [UnwindTableRow<usize, Self>; 4];
}

/// The rule for the function that has code at this address. None if that can not be told now.
///
/// # Safety
/// If a module is loaded there, it stays loaded meanwhile.
#[cold]
#[inline(never)]
pub(super) unsafe fn rule_at(address: usize) -> Option<Rule> {
    match index_for(address)? {
        // Code that was made while the program runs, whose tables only the unwinding library may know.
        0 => Some(Rule::HARD),
        // SAFETY: the index of a loaded module.
        index => Some(unsafe { in_module(index, address) }.unwrap_or(Rule::HARD)),
    }
}

/// A number in a module's tables.
///
/// # Safety
/// It is there.
unsafe fn number(address: usize) -> u32 {
    // SAFETY: the caller's promise; tables are not always aligned.
    unsafe { with_exposed_provenance::<u32>(address).read_unaligned() }
}

/// # Safety
/// So many bytes are there, and stay while the answer is in use.
unsafe fn bytes(start: usize, len: usize) -> &'static [u8] {
    // SAFETY: the caller's promise; nobody writes to tables.
    unsafe { core::slice::from_raw_parts(with_exposed_provenance(start), len) }
}

/// Bytes of the index before its pairs.
const HEAD: usize = 12;
/// The version, and that offsets are four bytes: from where they stand, plain, and from the index's beginning. As all linkers write it.
const USUAL: [u8; 4] = [1, 0x1b, 0x03, 0x3b];

/// None: it is told in a way that is not known here.
///
/// # Safety
/// `index` is the address of a loaded module's `.eh_frame_hdr`.
unsafe fn in_module(index: usize, address: usize) -> Option<Rule> {
    // SAFETY: the head and so many pairs as it says are there.
    let pair = |number_of: usize, half: usize| unsafe { number(index + HEAD + 8 * number_of + 4 * half) };
    // SAFETY: as above.
    let (usual, count) = unsafe { (number(index).to_ne_bytes() == USUAL, number(index + HEAD - 4) as usize) };
    if !usual {
        return None;
    }
    let place =
        |number_of: usize, half: usize| index.wrapping_add_signed(pair(number_of, half) as i32 as isize);
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low.midpoint(high);
        if place(middle, 0) <= address { low = middle + 1 } else { high = middle }
    }
    let Some(last) = low.checked_sub(1) else { return Some(Rule::END) };
    let entry = place(last, 1);
    // SAFETY: an entry begins with its length, and where the one is that it shares with others, from here.
    let (len, back) = unsafe { (number(entry) as usize, number(entry + 4) as usize) };
    let common = (entry + 4).checked_sub(back)?;
    if len == u32::MAX as usize || common >= entry {
        return None;
    }
    // SAFETY: both are in one section; the function's ends so many bytes behind its length.
    let section = unsafe { bytes(common, entry + 4 + len - common) };
    let mut frames = EhFrame::new(section, NativeEndian);
    #[cfg(target_arch = "aarch64")]
    frames.set_vendor(gimli::Vendor::AArch64);
    frames.set_address_size(size_of::<usize>() as u8);
    let bases = BaseAddresses::default().set_eh_frame(common as u64);
    let function = frames.fde_from_offset(&bases, (entry - common).into(), EhFrame::cie_from_offset).ok()?;
    if !function.contains(address as u64) {
        return Some(Rule::END);
    }
    // What is interrupted does not stand behind a call.
    if function.is_signal_trampoline() || function.cie().return_address_register() != number::RETURN {
        return None;
    }
    let mut context = UnwindContext::<usize, OnStack>::new_in();
    let row = function.unwind_info_for_address(&frames, &bases, &mut context, address as u64).ok()?;
    rule(row, &frames)
}

fn rule(row: &UnwindTableRow<usize, OnStack>, frames: &EhFrame<Bytes>) -> Option<Rule> {
    let address = match row.register(number::RETURN) {
        Some(RegisterRule::Offset(offset)) => offset,
        Some(RegisterRule::Undefined) => return Some(Rule::END),
        _ => return None,
    };
    let (base, offset) = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => match *register {
            number::STACK => (Base::STACK, *offset),
            number::FRAME => (Base::FRAME, *offset),
            _ => return None,
        },
        CfaRule::Expression(told) => (Base::AT_FRAME, at_frame(told, frames, &[DEREF])?),
    };
    let frame = match (row.register(number::FRAME), base) {
        (None | Some(RegisterRule::SameValue), _) => None,
        (Some(RegisterRule::Offset(offset)), Base::STACK | Base::FRAME) => Some(offset),
        (Some(RegisterRule::Expression(told)), Base::AT_FRAME) => Some(at_frame(&told, frames, &[])?),
        _ => return None,
    };
    Some(Rule::new(base, offset, address, frame))
}

/// The offset, if an expression says: so far from the frame pointer, and then this.
fn at_frame(told: &UnwindExpression<usize>, frames: &EhFrame<Bytes>, then: &[u8]) -> Option<i64> {
    let mut rest = told.get(frames).ok()?.0;
    (rest.read_u8().ok()? == number::AT_FRAME).then_some(())?;
    let offset = rest.read_sleb128().ok()?;
    (rest.slice() == then).then_some(offset)
}

/// What the dynamic linker knows of an address: glibc's `struct dl_find_object`, of which the last words are kept for later.
#[repr(C)]
struct Object {
    flags: u64,
    start: usize,
    end: usize,
    module: usize,
    index: usize,
    later: [u64; 7],
}

type FindObject = unsafe extern "C" fn(address: *mut c_void, found: *mut Object) -> c_int;

/// glibc's `_dl_find_object` (2.35), which takes no lock; null: there is none.
static FIND_OBJECT: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// Looks for what modules are asked for by.
pub(super) fn prepare() {
    // SAFETY: a text that ends with a zero.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_dl_find_object".as_ptr()) };
    FIND_OBJECT.store(found, Ordering::Relaxed);
}

/// Where the index of the module is that has this address; 0: there is no such module, or it has none. None: not now.
fn index_for(address: usize) -> Option<usize> {
    let known = FIND_OBJECT.load(Ordering::Relaxed);
    if known.is_null() {
        return ask_for_index(address);
    }
    let mut found = MaybeUninit::<Object>::zeroed();
    // SAFETY: the function of this name has this type; it is given an address to look up, and a place for the answer, which zeros are
    // a value of.
    unsafe {
        let find = transmute::<*mut c_void, FindObject>(known);
        let none = find(with_exposed_provenance::<c_void>(address).cast_mut(), found.as_mut_ptr()) != 0;
        Some(if none { 0 } else { found.assume_init().index })
    }
}

/// What `dl_iterate_phdr` is asked for.
struct Asked {
    address: usize,
    index: usize,
}

fn ask_for_index(address: usize) -> Option<usize> {
    let _asking = ASKING.try_lock()?;
    let mut asked = Asked { address, index: 0 };
    // SAFETY: called with each module and what is asked, until it says that this was the one.
    unsafe { libc::dl_iterate_phdr(Some(is_it_there), (&raw mut asked).cast()) };
    Some(asked.index)
}

/// # Safety
/// `module` is one of the modules, and `asked` an [`Asked`] that nobody else uses.
unsafe extern "C" fn is_it_there(module: *mut libc::dl_phdr_info, _size: usize, asked: *mut c_void) -> c_int {
    // SAFETY: the caller's promise; a module has so many headers as it says.
    let (asked, base, headers) = unsafe {
        let module = &*module;
        let headers = core::slice::from_raw_parts(module.dlpi_phdr, usize::from(module.dlpi_phnum));
        (&mut *asked.cast::<Asked>(), module.dlpi_addr as usize, headers)
    };
    let at = |header: &libc::Elf64_Phdr| base.wrapping_add(header.p_vaddr as usize);
    let has = |header: &libc::Elf64_Phdr| {
        header.p_type == libc::PT_LOAD && asked.address.wrapping_sub(at(header)) < header.p_memsz as usize
    };
    if !headers.iter().any(has) {
        return 0;
    }
    asked.index = headers.iter().find(|header| header.p_type == libc::PT_GNU_EH_FRAME).map_or(0, at);
    1
}
