// attack: read_after_the_reset E0502
// attack: job_across_a_reset E0502
// attack: outlive_the_arenas E0505
// attack: vector_outlives_its_job E0505
// attack: scratch_outlives_its_job E0505
// attack: sent_to_a_thread E0277 cannot be sent between threads safely
//! What a job allocates lives until the reset; what it merely uses ends with it.

use arenite::{JobArenas, Tag};

fn main() {
    let mut jobs = JobArenas::try_new(Tag::untagged()).unwrap();
    let job = jobs.checkout();
    let result = job.alloc_slice_copy(&[1u8, 2]);
    let mut vector = job.vec();
    vector.push(1u8);
    let scratch = job.scratch();
    #[cfg(not(vector_outlives_its_job))]
    drop(vector);
    #[cfg(not(scratch_outlives_its_job))]
    drop(scratch);
    #[cfg(sent_to_a_thread)]
    std::thread::scope(|threads| {
        threads.spawn(move || drop(job));
    });
    #[cfg(not(sent_to_a_thread))]
    drop(job);
    #[cfg(vector_outlives_its_job)]
    vector.push(2);
    #[cfg(scratch_outlives_its_job)]
    drop(scratch);
    assert_eq!(result.len(), 2);
    #[cfg(job_across_a_reset)]
    let held = jobs.checkout();
    jobs.reset();
    #[cfg(job_across_a_reset)]
    drop(held);
    #[cfg(read_after_the_reset)]
    assert_eq!(result.len(), 2);
    let last = jobs.checkout().alloc(1u8);
    assert_eq!(*last, 1);
    drop(jobs);
    #[cfg(outlive_the_arenas)]
    assert_eq!(*last, 1);
}
