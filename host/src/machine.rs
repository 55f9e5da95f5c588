//! The resources of this machine for one process: memory, mappings, address space, threads.
//!
//! They are read once at start. They bound the number of sandboxes, so that the kernel never
//! refuses one with ENOMEM.

use std::fs;
use std::path::{Path, PathBuf};
#[cfg(all(feature = "service", feature = "compiler"))]
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::limits::{
    ADMIN_CONNECTIONS, GUEST_CONNECTIONS, IDLE_MEMORY_PERCENT, LEAVING_CONNECTIONS,
    LINEAR_MEMORY_BYTES, Limit, Limits, PLACE_BYTES, PROGRAM_BYTES, TOTAL_MEMORY_PERCENT,
};

/// Mappings that a suspended sandbox holds. Four were counted: its linear memory
/// before, in and after the memory image, and its stack. A fifth is kept back
/// for components with another layout.
const MAPPINGS_PER_SANDBOX: u64 = 5;
/// Mappings of one linear memory among them, which a component may have several of.
pub(crate) const MAPPINGS_PER_MEMORY: u64 = 4;
/// Mappings kept back for the program itself: threads, code, buffers.
const MAPPINGS_RESERVED: u64 = 2048;
/// Memory of the program itself that a connection takes while it reads a listing: 187 KB
/// each were measured with 200 and with 800 of them.
const CONNECTION_BYTES: u64 = 192 << 10;
/// Descriptors kept back for the program itself.
const DESCRIPTORS_RESERVED: u64 = 64;
/// The kernel's default limit of mappings.
const MAPPINGS_DEFAULT: u64 = 65_530;
/// Half of the 47 bits of user address space, the rest is the program's.
const ADDRESS_SPACE_BYTES: u64 = 1 << 46;
/// Address space of one pooled sandbox: its linear memory's reservation and
/// guard, its tables and its stack.
pub(crate) const ADDRESS_SPACE_PER_SANDBOX: u64 = LINEAR_MEMORY_BYTES + (64 << 20);

/// Descriptors of a service besides those of its connections: for guests, for evicted
/// connections, and for health and metrics.
const SERVICE_DESCRIPTORS: u64 =
    (GUEST_CONNECTIONS + LEAVING_CONNECTIONS + ADMIN_CONNECTIONS) as u64;

/// A value in force in place of a limit's own, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The limit.
    pub limit: Limit,
    /// The value in its unit.
    pub value: u64,
    /// Where the value comes from.
    pub reason: String,
}

/// The machine's bound on a limit, and the reason.
#[derive(Clone, Debug)]
struct Bound {
    value: u64,
    reason: String,
}

/// The resources of one process on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Bytes of memory, by the machine or by the cgroup, whichever is less.
    pub memory_bytes: u64,
    /// Memory mappings that are still free.
    pub mappings_free: u64,
    /// Bytes of address space that sandboxes may take.
    pub address_space_bytes: u64,
    /// File descriptors that sandboxes may hold.
    pub descriptors: u64,
}

impl Machine {
    /// Reads the kernel's limits of this process.
    pub fn detect() -> Self {
        let max = read_number(Path::new("/proc/sys/vm/max_map_count")).unwrap_or(MAPPINGS_DEFAULT);
        let used = fs::read_to_string("/proc/self/maps").map_or(0, |maps| maps.lines().count());
        let address_space = getrlimit(Resource::As).current.unwrap_or(u64::MAX);
        Self {
            memory_bytes: physical_bytes().min(cgroup_limit(&MEMORY).unwrap_or(u64::MAX)),
            mappings_free: max.saturating_sub(used as u64),
            // A limited address space also has to hold heap, code and threads.
            address_space_bytes: ADDRESS_SPACE_BYTES.min(address_space / 4 * 3),
            descriptors: raise_descriptors().saturating_sub(DESCRIPTORS_RESERVED),
        }
    }

    /// Bytes that all sandboxes may have together, by `limits` or else by the
    /// default share of the machine's memory, of which [`PROGRAM_BYTES`] are kept, in
    /// whole MiB.
    pub fn total_memory_bytes(&self, limits: &Limits) -> u64 {
        match limits.get(Limit::TotalMemory) {
            0 => {
                let share = self.share_bytes(TOTAL_MEMORY_PERCENT);
                let rest = self.memory_bytes.saturating_sub(PROGRAM_BYTES);
                share.min(rest) >> 20 << 20
            }
            bytes => bytes,
        }
    }

    /// Bytes that idle places may keep on top of [`Machine::total_memory_bytes`]: at most half of
    /// the memory that the program has besides.
    pub fn idle_memory_bytes(&self, limits: &Limits) -> u64 {
        let total_bytes = self.total_memory_bytes(limits);
        let rest = self.memory_bytes.saturating_sub(total_bytes);
        let rest = rest.saturating_sub(PROGRAM_BYTES);
        let most = total_bytes.saturating_mul(IDLE_MEMORY_PERCENT) / 100;
        most.min(rest / 2)
    }

    /// `percent` of the machine's memory, in bytes.
    pub fn share_bytes(&self, percent: u64) -> u64 {
        self.memory_bytes / 100 * percent
    }

    /// The limits whose value in force differs from that in `limits`.
    pub fn in_force(&self, limits: &Limits) -> Vec<InForce> {
        let mut in_force = Vec::new();
        if limits.get(Limit::TotalMemory) == 0 {
            in_force.push(InForce {
                limit: Limit::TotalMemory,
                value: self.total_memory_bytes(limits),
                reason: format!(
                    "{TOTAL_MEMORY_PERCENT}% of {} of memory, with at least {} left for the program",
                    size(self.memory_bytes),
                    size(PROGRAM_BYTES)
                ),
            });
        }
        let bounds = [
            (Limit::Sandboxes, self.sandbox_bounds(limits).to_vec()),
            (Limit::Connections, self.connection_bounds().to_vec()),
            (Limit::StuckThreads, stuck_thread_bounds()),
        ];
        for (limit, bounds) in bounds {
            let least = bounds.into_iter().min_by_key(|bound| bound.value);
            if let Some(Bound { value, reason }) = least
                && value < limits.get(limit)
            {
                in_force.push(InForce {
                    limit,
                    value,
                    reason,
                });
            }
        }
        in_force
    }

    fn sandbox_bounds(&self, limits: &Limits) -> [Bound; 2] {
        let total_bytes = self.total_memory_bytes(limits);
        [
            Bound {
                value: self.sandbox_mappings() / MAPPINGS_PER_SANDBOX,
                reason: format!(
                    "{} free memory mappings (`vm.max_map_count`), {MAPPINGS_PER_SANDBOX} for each",
                    self.sandbox_mappings()
                ),
            },
            Bound {
                value: total_bytes / 4 * 3 / PLACE_BYTES,
                reason: format!(
                    "three quarters of --total-memory ({}), {} for each",
                    size(total_bytes),
                    size(PLACE_BYTES)
                ),
            },
        ]
    }

    fn connection_bounds(&self) -> [Bound; 2] {
        let spare = self.descriptors / 2;
        [
            Bound {
                value: (self.memory_bytes / 4 / CONNECTION_BYTES).max(1),
                reason: format!(
                    "a quarter of {} of memory, {} for each",
                    size(self.memory_bytes),
                    size(CONNECTION_BYTES)
                ),
            },
            Bound {
                value: spare.saturating_sub(SERVICE_DESCRIPTORS).max(1),
                reason: format!(
                    "half of {} free file descriptors (`ulimit -n`), {SERVICE_DESCRIPTORS} of them \
                     for health and refusals",
                    self.descriptors
                ),
            },
        ]
    }

    /// The number of sandboxes that can exist at once: that of `limits`, or fewer where mappings
    /// or memory allow fewer. A quarter of the memory is kept for jobs that need more than
    /// [`PLACE_BYTES`]. 0 where not even one fits.
    pub fn sandboxes(&self, limits: &Limits) -> u64 {
        least(limits.get(Limit::Sandboxes), &self.sandbox_bounds(limits))
    }

    /// Mappings that all sandboxes may have together.
    pub(crate) const fn sandbox_mappings(&self) -> u64 {
        self.mappings_free.saturating_sub(MAPPINGS_RESERVED)
    }

    /// The number of connections that a service may have open: that of `limits`, or fewer where a
    /// quarter of the memory is not enough for their listings, or half of the descriptors for
    /// their sockets. At least 1.
    pub fn connections(&self, limits: &Limits) -> u64 {
        least(limits.get(Limit::Connections), &self.connection_bounds())
    }

    /// The number of sandboxes whose memories can be reserved ahead in the address space.
    pub const fn pooled_sandboxes(&self) -> u64 {
        self.address_space_bytes / ADDRESS_SPACE_PER_SANDBOX
    }
}

/// `value`, or the least of `bounds`.
fn least(value: u64, bounds: &[Bound]) -> u64 {
    bounds.iter().map(|bound| bound.value).fold(value, u64::min)
}

/// A size as text.
fn size(bytes: u64) -> impl std::fmt::Display {
    bytesize::ByteSize::b(bytes).display().iec()
}

/// Processors that this process may use.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The time that the kernel has worked for this process, in steps of 10 ms. `None` where it does not
/// tell.
#[cfg(all(feature = "service", feature = "compiler"))]
pub(crate) fn system_time() -> Option<Duration> {
    stime(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// The field `stime` of `proc_pid_stat(5)`.
#[cfg(all(feature = "service", feature = "compiler"))]
fn stime(stat: &str) -> Option<Duration> {
    // The name of the program is in parentheses, and may have some of its own. Twelve fields are
    // between it and `stime`.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields.split_whitespace().nth(12)?.parse().ok()?;
    // `USER_HZ` is 100 on all architectures that Wasmtime supports.
    Some(Duration::from_millis(ticks.saturating_mul(10)))
}

fn stuck_thread_bounds() -> Vec<Bound> {
    let bound = stuck_threads_max().zip(threads_max());
    let bound = bound.map(|(value, threads)| Bound {
        value,
        reason: format!("a quarter of the {threads} threads that the cgroup allows (`pids.max`)"),
    });
    bound.into_iter().collect()
}

/// The most threads that may be stuck: a quarter of all.
pub(crate) fn stuck_threads_max() -> Option<u64> {
    threads_max().map(|threads| (threads / 4).max(1))
}

/// The number of files that this process may open.
pub fn descriptors_max() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    limit.maximum.or(limit.current).unwrap_or(u64::MAX)
}

/// Raises the limit of file descriptors as far as this process may, and returns it. The low
/// default is for programs that use `select`.
fn raise_descriptors() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    let raised = setrlimit(Resource::Nofile, limit).is_ok();
    let now = if raised {
        getrlimit(Resource::Nofile).current
    } else {
        before
    };
    now.unwrap_or(u64::MAX)
}

fn physical_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    let unit = u64::from(info.mem_unit.max(1));
    info.totalram.saturating_mul(unit)
}

/// A limit of cgroups: its controller, and its files in versions 1 and 2.
struct CgroupLimit {
    controller: &'static str,
    files: [&'static str; 2],
}

const MEMORY: CgroupLimit = CgroupLimit {
    controller: "memory",
    files: ["memory.limit_in_bytes", "memory.max"],
};
const PIDS: CgroupLimit = CgroupLimit {
    controller: "pids",
    files: ["pids.max"; 2],
};

/// The most threads of this process and its children, by its cgroup and those above it, which
/// other processes share. `None` without a limit.
pub fn threads_max() -> Option<u64> {
    cgroup_limit(&PIDS)
}

/// The least limit of this process's cgroup and those above it, version 2 or 1. `None`
/// where there is none.
fn cgroup_limit(limit: &CgroupLimit) -> Option<u64> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    membership
        .lines()
        .filter_map(|line| limit_of_membership(line, limit, Path::new("/sys/fs/cgroup")))
        .min()
}

/// The limit that one line of `/proc/self/cgroup` stands for. Lines read
/// `hierarchy:controllers:path`; version 2 has no controllers.
fn limit_of_membership(line: &str, limit: &CgroupLimit, root: &Path) -> Option<u64> {
    let mut fields = line.splitn(3, ':');
    let (controllers, path) = (fields.nth(1)?, fields.next()?);
    let [first, second] = limit.files;
    let (root, file) = match controllers {
        "" => (root.to_path_buf(), second),
        named if named.split(',').any(|name| name == limit.controller) => {
            (root.join(limit.controller), first)
        }
        _ => return None,
    };
    // Inside a container, only the host may see this path. The container sees the root.
    let mut folder = PathBuf::from(path.trim_start_matches('/'));
    let mut least = read_number(&root.join(file));
    while folder.file_name().is_some() {
        let here = read_number(&root.join(&folder).join(file));
        least = [least, here].into_iter().flatten().min();
        folder.pop();
    }
    least
}

/// The number in a file of the kernel's; `None` for `max`.
fn read_number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine {
        memory_bytes: 8 << 30,
        mappings_free: 65_000,
        address_space_bytes: ADDRESS_SPACE_BYTES,
        descriptors: 1024,
    };

    #[test]
    fn sandboxes_are_limited_by_the_scarcest_resource() {
        let many = Limits::COMMANDS.with(Limit::Sandboxes, 1_000_000);
        assert_eq!(MACHINE.sandboxes(&Limits::COMMANDS), 1000);
        assert_eq!(
            MACHINE.sandboxes(&many),
            MACHINE.total_memory_bytes(&many) / 4 * 3 / PLACE_BYTES
        );
        let few = Machine {
            mappings_free: 2548,
            ..MACHINE
        };
        assert_eq!(few.sandboxes(&many), 100);
        assert_eq!(
            Machine {
                memory_bytes: 1 << 20,
                ..MACHINE
            }
            .sandboxes(&many),
            0
        );
    }

    #[test]
    #[cfg(all(feature = "service", feature = "compiler"))]
    fn system_time_is_a_field_of_stat() {
        let stat = "7 (a) (b) S 1 2 3 4 5 6 7 8 9 10 11 42 13 14 15";
        assert_eq!(stime(stat), Some(Duration::from_millis(420)));
        assert_eq!(stime("7 (a) S 1"), None);
        assert!(system_time().is_some());
    }

    #[test]
    fn idle_memory_leaves_half_of_the_rest() {
        let gib = |total: u64| Limits::SERVE.with(Limit::TotalMemory, total << 30);
        assert_eq!(MACHINE.idle_memory_bytes(&gib(4)), 1 << 30);
        let rest = (1 << 30) - PROGRAM_BYTES;
        assert_eq!(MACHINE.idle_memory_bytes(&gib(7)), rest / 2);
        assert_eq!(MACHINE.idle_memory_bytes(&gib(9)), 0);
    }

    #[test]
    fn few_connections_are_taken_where_memory_is_little() {
        for (memory_bytes, connections) in
            [(1, 1), (64 << 20, 85), (8 << 30, 10_922), (1 << 40, 16_384)]
        {
            let machine = Machine {
                memory_bytes,
                descriptors: 1 << 20,
                ..MACHINE
            };
            assert_eq!(machine.connections(&Limits::SERVE), connections);
        }
    }

    #[test]
    fn effective_limits_have_reasons() {
        let machine = Machine {
            memory_bytes: 2 << 30,
            descriptors: 1 << 20,
            ..MACHINE
        };
        let found = machine.in_force(&Limits::SERVE);
        let of = |limit| found.iter().find(|it| it.limit == limit).cloned();
        let connections = of(Limit::Connections).expect("fewer connections");
        assert_eq!(connections.value, 2730);
        assert!(
            connections.reason.contains("2.0 GiB of memory"),
            "{connections:?}"
        );
        let memory = of(Limit::TotalMemory).expect("a share");
        assert_eq!(memory.value, machine.total_memory_bytes(&Limits::SERVE));
        assert!(memory.reason.contains("70%"), "{memory:?}");
        assert_eq!(of(Limit::Sandboxes), None);
        let few = Machine {
            memory_bytes: 1 << 40,
            ..MACHINE
        };
        let found = few.in_force(&Limits::SERVE);
        let connections = found.iter().find(|it| it.limit == Limit::Connections);
        let connections = connections.expect("fewer connections");
        assert_eq!(connections.value, few.connections(&Limits::SERVE));
        assert!(connections.reason.contains("ulimit -n"), "{connections:?}");
    }

    #[test]
    fn the_program_keeps_memory_for_itself() {
        let total = |memory_bytes| {
            let machine = Machine {
                memory_bytes,
                ..MACHINE
            };
            machine.total_memory_bytes(&Limits::COMMANDS)
        };
        assert_eq!(total(100_000_000_000), 66_757 << 20);
        assert_eq!(total(64 << 20), 40 << 20);
        assert_eq!(total(6 << 20), 0);
    }

    #[test]
    fn the_least_cgroup_above_decides_in_both_versions() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, text).expect("a file");
        };
        write("a/memory.max", "300\n");
        write("a/b/memory.max", "max\n");
        write("memory/x/memory.limit_in_bytes", "200\n");
        assert_eq!(
            limit_of_membership("0::/a/b", &MEMORY, root.path()),
            Some(300)
        );
        assert_eq!(
            limit_of_membership("4:cpu,memory:/x", &MEMORY, root.path()),
            Some(200)
        );
        assert_eq!(limit_of_membership("4:cpu:/x", &MEMORY, root.path()), None);
        assert_eq!(limit_of_membership("0::/", &MEMORY, root.path()), None);
        write("a/pids.max", "7\n");
        assert_eq!(limit_of_membership("0::/a/b", &PIDS, root.path()), Some(7));
    }
}
