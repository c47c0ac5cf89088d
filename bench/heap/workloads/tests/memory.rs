//! Resident memory, in a process of its own: other tests' memory would be in it.
#![cfg(target_os = "linux")]

use heap_workloads::memory::Memory;

#[test]
fn memory_that_is_touched_is_resident() {
    const SIZE: usize = 32 << 20;
    let before = Memory::now();
    let block = std::hint::black_box(vec![1u8; SIZE]);
    let during = Memory::now();
    drop(block);
    let after = Memory::now();
    let grown = during.resident.expect("Linux says") - before.resident.expect("Linux says");
    assert!(grown >= SIZE as u64, "{grown}");
    assert!(during.anonymous.expect("Linux says") >= SIZE as u64);
    assert!(during.peak >= during.resident);
    let peak = after.peak.expect("Linux says");
    assert!(
        peak + (1 << 20) >= during.resident.expect("Linux says"),
        "a peak stays, but for the kernel's batches: {peak}"
    );
    assert!(
        peak > after.resident.expect("Linux says") + SIZE as u64 / 2,
        "the block is given back, the peak is not"
    );
}
