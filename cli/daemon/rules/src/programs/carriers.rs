//! Programs that do nothing but start another one.
//!
//! What always holds: each option that is listed here changes nothing of what is started; those that do,
//! and those that open files or pipes of their own, are left out, and so not known.

use crate::line::options::Options;
use crate::line::shell::Word;

/// A program that starts another one.
pub(crate) struct Carrier {
    names: &'static [&'static str],
    options: Options,
    /// How many words of its own stand between its options and the other's name.
    operands: usize,
}

/// What stands in front of the program that is started.
pub(crate) struct Front {
    /// The place of its name, if there is one.
    pub end: usize,
    /// The place of the first word that may change what is started.
    pub odd: Option<usize>,
}

const fn carrier(
    names: &'static [&'static str],
    flags: &'static [&'static str],
    valued: &'static [&'static str],
    operands: usize,
) -> Carrier {
    Carrier { names, options: Options { flags, valued }, operands }
}

const CARRIERS: &[Carrier] = &[
    carrier(&["busybox", "fakeroot", "nohup", "toybox"], &[], &[], 0),
    carrier(&["chronic"], &["-e", "-v"], &[], 0),
    carrier(&["chroot"], &["--skip-chdir"], &["--groups", "--userspec"], 1),
    carrier(&["chrt"], &["-f", "-r", "--fifo", "--rr"], &[], 1),
    carrier(&["dbus-run-session"], &[], &[], 0),
    carrier(&["doas"], &["-n"], &["-u"], 0),
    carrier(
        &["env"],
        &["-0", "-i", "-v", "--debug", "--ignore-environment", "--null"],
        &["-C", "-u", "--chdir", "--unset"],
        0,
    ),
    carrier(&["faketime"], &["-f", "-m"], &[], 1),
    carrier(
        &["flock"],
        &["-e", "-n", "-s", "-u", "-x", "--exclusive", "--nonblock", "--shared", "--verbose"],
        &["-E", "-w", "--conflict-exit-code", "--timeout", "--wait"],
        1,
    ),
    carrier(&["ionice"], &["-t", "--ignore"], &["-c", "-n", "--class", "--classdata"], 0),
    carrier(&["ltrace"], &["-C", "-S", "-c", "-f", "-i", "-r", "-t"], &["-a", "-n", "-s"], 0),
    carrier(&["nice"], &[], &["-n", "--adjustment"], 0),
    carrier(&["pkexec"], &["--disable-internal-agent", "--keep-cwd"], &["-u", "--user"], 0),
    carrier(&["setsid"], &["-c", "-f", "-w", "--ctty", "--fork", "--wait"], &[], 0),
    carrier(
        &["ssh"],
        &[
            "-4", "-6", "-A", "-C", "-K", "-T", "-X", "-Y", "-a", "-f", "-k", "-n", "-q", "-t",
            "-v", "-x", "-y",
        ],
        &["-J", "-L", "-R", "-b", "-c", "-i", "-l", "-m", "-p"],
        1,
    ),
    carrier(&["stdbuf"], &[], &["-e", "-i", "-o", "--error", "--input", "--output"], 0),
    carrier(
        &["strace"],
        &["-C", "-T", "-c", "-f", "-i", "-q", "-r", "-t", "-v", "-x", "-y"],
        &["-a", "-e", "-s"],
        0,
    ),
    carrier(
        &["sudo"],
        &["-A", "-H", "-S", "-k", "-n", "--askpass", "--non-interactive", "--set-home", "--stdin"],
        &["-C", "-g", "-p", "-u", "--close-from", "--group", "--prompt", "--user"],
        0,
    ),
    carrier(&["taskset"], &["-c", "--cpu-list"], &[], 1),
    carrier(&["time"], &["-p", "-v", "--portability", "--verbose"], &["-f", "--format"], 0),
    carrier(
        &["timeout"],
        &["-v", "--foreground", "--preserve-status", "--verbose"],
        &["-k", "-s", "--kill-after", "--signal"],
        1,
    ),
    carrier(
        &["valgrind"],
        // Any other tool may be a file.
        &[
            "-q",
            "-v",
            "--quiet",
            "--tool=cachegrind",
            "--tool=callgrind",
            "--tool=dhat",
            "--tool=drd",
            "--tool=helgrind",
            "--tool=lackey",
            "--tool=massif",
            "--tool=memcheck",
            "--tool=none",
            "--verbose",
        ],
        &["--error-exitcode", "--leak-check", "--track-origins"],
        0,
    ),
    carrier(
        &["watch"],
        &["-b", "-c", "-e", "-g", "-p", "-t", "--color", "--no-title"],
        &["-n", "--interval"],
        0,
    ),
    carrier(
        &["xargs"],
        &[
            "-0",
            "-o",
            "-p",
            "-r",
            "-t",
            "-x",
            "--exit",
            "--interactive",
            "--no-run-if-empty",
            "--null",
            "--open-tty",
            "--verbose",
        ],
        &[
            "-E",
            "-I",
            "-L",
            "-P",
            "-a",
            "-d",
            "-n",
            "-s",
            "--arg-file",
            "--delimiter",
            "--max-args",
            "--max-chars",
            "--max-procs",
        ],
        0,
    ),
];

impl Carrier {
    /// The carrier of that name.
    pub fn of(name: &str) -> Option<&'static Carrier> {
        CARRIERS.iter().find(|carrier| carrier.names.contains(&name))
    }

    /// Reads what stands in front of the program that is started; the first `known` words are the user's
    /// own, and never odd.
    pub fn front(&self, words: &[Word], known: usize) -> Front {
        let own = self.options.own(words);
        let mut end = own.end;
        let mut odd = own.unknown;
        if matches!(self.names[0], "doas" | "env" | "sudo") {
            let sets = |at: &usize| words.get(*at).is_some_and(|word| word.text.contains('='));
            let behind = (end..).take_while(sets).count();
            odd.extend(end..end + behind);
            end += behind;
        }
        end = (end + self.operands).min(words.len());
        odd.extend((1..end).filter(|at| !words[*at].is_literal));
        Front { end, odd: odd.into_iter().filter(|at| *at >= known).min() }
    }
}
