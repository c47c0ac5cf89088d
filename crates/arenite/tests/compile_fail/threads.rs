// attack: frame_shared E0277 cannot be shared between threads safely
// attack: frame_vector_sent E0277 cannot be s
// attack: frame_string_sent E0277 cannot be s
// attack: scratch_stack_shared E0277 cannot be shared between threads safely
// attack: scratch_guard_sent E0277 cannot be s
// attack: scope_sent E0277 cannot be s
// attack: scope_shared E0277 cannot be s
// attack: box_of_an_rc_sent E0277 cannot be sent between threads safely
// attack: box_of_a_cell_shared E0277 cannot be shared between threads safely
// attack: job_sent E0277 cannot be sent between threads safely
// attack: job_shared E0277 cannot be shared between threads safely
// attack: ticket_of_a_cell_sent E0277 cannot be s
// attack: packet_reads_a_cell E0277 cannot be shared between threads safely
// attack: slot_shared E0277 cannot be shared between threads safely
//! What belongs to one thread stays there; the twin shows what may travel.

use std::cell::Cell;

use arenite::{
    FrameArena, FramePacket, FrameRef, JobArena, JobArenas, Resource, ResourceArena, Scope, ScopeBox, ScratchGuard,
    ScratchSlot, ScratchStack, Tag,
};

fn sent<T: Send>() {}
fn shared<T: Sync>() {}

fn main() {
    sent::<FrameArena>();
    sent::<FramePacket>();
    shared::<FramePacket>();
    sent::<FrameRef<[u32]>>();
    shared::<FrameRef<str>>();
    sent::<ScratchStack>();
    sent::<ScratchSlot>();
    sent::<ScopeBox<'static, String>>();
    shared::<ScopeBox<'static, String>>();
    sent::<JobArenas>();
    shared::<JobArenas>();
    sent::<ResourceArena>();
    shared::<ResourceArena>();
    sent::<Resource<Cell<u8>>>();
    #[cfg(frame_shared)]
    shared::<FrameArena>();
    #[cfg(frame_vector_sent)]
    sent::<arenite::ArenaVec<'static, u8>>();
    #[cfg(frame_string_sent)]
    sent::<arenite::ArenaString<'static>>();
    #[cfg(scratch_stack_shared)]
    shared::<ScratchStack>();
    #[cfg(scratch_guard_sent)]
    sent::<ScratchGuard<'static>>();
    #[cfg(scope_sent)]
    sent::<Scope<'static>>();
    #[cfg(scope_shared)]
    shared::<Scope<'static>>();
    #[cfg(box_of_an_rc_sent)]
    sent::<ScopeBox<'static, std::rc::Rc<u8>>>();
    #[cfg(box_of_a_cell_shared)]
    shared::<ScopeBox<'static, Cell<u8>>>();
    #[cfg(job_sent)]
    sent::<JobArena<'static>>();
    #[cfg(job_shared)]
    shared::<JobArena<'static>>();
    #[cfg(ticket_of_a_cell_sent)]
    sent::<FrameRef<Cell<u8>>>();
    #[cfg(slot_shared)]
    shared::<ScratchSlot>();

    let mut arena = FrameArena::try_new(Tag::untagged()).unwrap();
    arena.begin_frame();
    let (_, number) = arena.keep(1u8);
    let (_, cell) = arena.keep(Cell::new(1u8));
    let packet = arena.freeze().unwrap();
    packet.get(number);
    #[cfg(packet_reads_a_cell)]
    packet.get(cell);
    arena.begin_frame();
    arena.get(cell);
}
