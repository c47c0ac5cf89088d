//! Runs a program one instruction at a time and counts those of two of its functions.
//!
//! The program says on its first line where the functions begin, stops itself, calls them, and stops itself again. Between
//! the two stops each instruction is a stop, at which the program counter is looked at. About 5 microseconds each.
#![cfg_attr(
    all(target_os = "linux", target_arch = "x86_64"),
    expect(unsafe_code, reason = "ptrace is how a program is stepped")
)]

use std::path::Path;

use crate::Failure;

/// Instructions of each call, in the order of the calls.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    pub(crate) alloc: Vec<u32>,
    pub(crate) free: Vec<u32>,
}

/// Instructions are counted on x86-64 Linux only.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub(crate) fn through(_: &Path, _: &str, _: usize) -> Result<Steps, Failure> {
    Err("instructions are counted on x86-64 Linux only".to_owned())
}

/// Steps through a case of a program.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) fn through(program: &Path, case: &str, rounds: usize) -> Result<Steps, Failure> {
    linux::through(program, case, rounds)
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod linux {
    use std::ffi::c_long;
    use std::io::{BufRead, BufReader, Error};
    use std::mem::offset_of;
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::ptr::null_mut;

    use libc::{SIGSTOP, SIGTRAP, pid_t, user_regs_struct};

    use super::Steps;
    use crate::Failure;

    /// A process that this one traces, and that is stopped whenever nobody waits for it.
    struct Traced(Child);

    impl Drop for Traced {
        /// It ends with its tracer's interest in it, also after a failure.
        fn drop(&mut self) {
            // Both fail only if it has ended by itself.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    impl Traced {
        /// Starts it; it is stopped before its first instruction.
        fn start(command: &mut Command) -> Result<Self, Failure> {
            // SAFETY: the closure calls nothing but ptrace, which may be called between fork and exec.
            let command = unsafe {
                command.pre_exec(|| {
                    if libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<u8>(), null_mut::<u8>()) == -1 {
                        return Err(Error::last_os_error());
                    }
                    Ok(())
                })
            };
            let mut traced = Self(command.spawn().map_err(|error| format!("can not be traced: {error}"))?);
            match traced.wait()? {
                SIGTRAP => {}
                other => return Err(format!("did not start: signal {other}")),
            }
            traced.ask(libc::PTRACE_SETOPTIONS, 0, libc::PTRACE_O_EXITKILL as usize)?;
            Ok(traced)
        }

        /// A request of the stopped process that answers with success or failure.
        fn ask(&mut self, request: libc::c_uint, address: usize, data: usize) -> Result<(), Failure> {
            // SAFETY: the requests of this file take numbers and read no memory of this process.
            let answer = unsafe { libc::ptrace(request, self.pid(), address, data) };
            if answer == -1 { Err(format!("ptrace: {}", Error::last_os_error())) } else { Ok(()) }
        }

        /// A request of the stopped process that answers with a word.
        fn peek(&mut self, request: libc::c_uint, address: usize) -> Result<u64, Failure> {
            // SAFETY: this thread's own error number.
            unsafe { *libc::__errno_location() = 0 };
            // SAFETY: as in `ask`; what is read is the other process's.
            let word: c_long = unsafe { libc::ptrace(request, self.pid(), address, 0usize) };
            let error = Error::last_os_error();
            if word == -1 && error.raw_os_error() != Some(0) {
                return Err(format!("ptrace: {error}"));
            }
            Ok(word as u64)
        }

        fn program_counter(&mut self) -> Result<u64, Failure> {
            self.peek(libc::PTRACE_PEEKUSER, offset_of!(user_regs_struct, rip))
        }

        /// Where the function that has just been entered will return to.
        fn return_address(&mut self) -> Result<u64, Failure> {
            let stack = self.peek(libc::PTRACE_PEEKUSER, offset_of!(user_regs_struct, rsp))?;
            self.peek(libc::PTRACE_PEEKDATA, stack as usize)
        }

        /// Goes on to the next stop, whose signal is returned and not passed on.
        fn go(&mut self, request: libc::c_uint) -> Result<i32, Failure> {
            self.ask(request, 0, 0)?;
            self.wait()
        }

        /// The signal of the next stop.
        fn wait(&mut self) -> Result<i32, Failure> {
            let mut status = 0;
            // SAFETY: `status` is a place for the answer.
            if unsafe { libc::waitpid(self.pid(), &raw mut status, 0) } == -1 {
                return Err(format!("waitpid: {}", Error::last_os_error()));
            }
            if libc::WIFSTOPPED(status) {
                return Ok(libc::WSTOPSIG(status));
            }
            Err(format!("ended early, with status {status:#x}"))
        }

        fn pid(&self) -> pid_t {
            self.0.id().cast_signed()
        }
    }

    pub(super) fn through(program: &Path, case: &str, rounds: usize) -> Result<Steps, Failure> {
        let mut command = Command::new(program);
        command.args(["count", case, &rounds.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut traced = Traced::start(&mut command)?;
        let first_stop = traced.go(libc::PTRACE_CONT)?;
        if first_stop != SIGSTOP {
            return Err(format!("stopped by signal {first_stop}"));
        }
        let (alloc, free) = addresses(&mut traced)?;
        let mut steps = Steps::default();
        loop {
            match traced.go(libc::PTRACE_SINGLESTEP)? {
                SIGTRAP => {}
                SIGSTOP => return Ok(steps),
                other => return Err(format!("stopped by signal {other}")),
            }
            let at = traced.program_counter()?;
            if at == alloc {
                steps.alloc.push(inside(&mut traced)?);
            } else if at == free {
                steps.free.push(inside(&mut traced)?);
            }
        }
    }

    /// Instructions of the function that is about to execute its first one.
    fn inside(traced: &mut Traced) -> Result<u32, Failure> {
        let end = traced.return_address()?;
        let mut count = 0;
        loop {
            match traced.go(libc::PTRACE_SINGLESTEP)? {
                SIGTRAP => count += 1,
                other => return Err(format!("stopped by signal {other} in a function that is counted")),
            }
            if traced.program_counter()? == end {
                return Ok(count);
            }
        }
    }

    /// From the line that the program has printed before it stopped.
    fn addresses(traced: &mut Traced) -> Result<(u64, u64), Failure> {
        let mut line = String::new();
        let output = traced.0.stdout.take().ok_or("has no output")?;
        BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
        let field =
            |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name)?.parse().ok());
        field("alloc=")
            .zip(field("free="))
            .ok_or_else(|| format!("does not say where its functions are: {line:?}"))
    }
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_stop_is_a_failure() {
        assert!(
            through(Path::new("/bin/true"), "64-pair", 1)
                .is_err_and(|failure| failure.contains("ended early"))
        );
        assert!(through(Path::new("/nowhere"), "64-pair", 1).is_err());
    }
}
