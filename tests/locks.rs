//! Locks between processes: what holds when their holders are killed.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use mycp::ByteRange;
use mycp::lock::{
    Abandoned, AbandonedWrite, Condvar, LockError, Mutex, Place, RecordLock, RwLock, Semaphore,
    Sharing, Wait,
};
use mycp::shm::{Creation, Region, Segment, SegmentName};

/// Where things are in the segment.
const MUTEX: u64 = 0;
const CONDVAR: u64 = 64;
const RWLOCK: u64 = 128;
/// Two counters that are equal whenever nobody is writing.
const DATA: u64 = 8192;
/// Where a worker notes that it found what must not be.
const BROKEN: u64 = 8208;
const LEN: u64 = 8224;

const KIND: &str = "MYCP_TEST_LOCK";
const SEGMENT: &str = "MYCP_TEST_SEGMENT";

/// A kind of segment that each system has.
fn segment_name(name: &str) -> SegmentName {
    let kind = if cfg!(windows) { "win:Local\\" } else { "shm:/" };
    format!("{kind}{name}").parse().unwrap()
}

/// What one worker and its supervisor share.
struct Shared {
    segment: Segment,
    region: Region,
}

impl Shared {
    fn open(name: &str, creation: Creation) -> Self {
        let name = segment_name(name);
        let segment = Segment::options().creation(creation).open(&name).unwrap();
        let region = segment.map().unwrap();
        Self { segment, region }
    }

    fn place(&self, at: u64, len: u64) -> Place {
        // SAFETY: only locks of one kind are made at each of the offsets above.
        unsafe { Place::new(&self.region, at, len) }.unwrap()
    }

    fn get(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.region.read_at(at, &mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    }

    fn set(&self, at: u64, value: u64) {
        self.region.write_at(at, &value.to_le_bytes()).unwrap();
    }

    fn is_whole(&self) -> bool {
        self.get(DATA) == self.get(DATA + 8)
    }

    fn check(&self) {
        if !self.is_whole() {
            self.set(BROKEN, 1);
            std::process::abort();
        }
    }

    fn repair(&self) {
        if crate::wine::lacks(crate::wine::Lack::OrderlyDeath) {
            // It gives the mutex of a process that is killed away before it has stopped it.
            std::thread::sleep(Duration::from_millis(20));
        }
        self.set(DATA + 8, self.get(DATA));
    }

    /// The guard of a lock; `None` where its owner had died, and what it guards has been repaired.
    fn taken<Guard, Dead, Repaired>(
        &self,
        locked: Result<Guard, LockError<Dead>>,
        repaired: fn(Dead) -> Result<Repaired, LockError>,
    ) -> Option<Guard> {
        match locked {
            Ok(guard) => Some(guard),
            Err(LockError::OwnerDied(abandoned)) => {
                self.repair();
                drop(repaired(abandoned).unwrap());
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Changes both counters, in two steps that something may come between.
    fn change(&self) {
        self.set(DATA, self.get(DATA) + 1);
        let started = Instant::now();
        while started.elapsed() < Duration::from_micros(30) {
            std::hint::spin_loop();
        }
        self.set(DATA + 8, self.get(DATA + 8) + 1);
    }

    fn mutex(&self) -> Mutex {
        Mutex::open(self.place(MUTEX, Mutex::BYTES)).unwrap()
    }

    fn condvar(&self) -> Condvar {
        Condvar::open(self.place(CONDVAR, Condvar::BYTES)).unwrap()
    }

    fn rwlock(&self) -> RwLock {
        RwLock::open(self.place(RWLOCK, RwLock::BYTES)).unwrap()
    }
}

/// One turn of a worker, which changes the data under a lock.
fn turn(kind: &str, shared: &Shared, name: &str) {
    match kind {
        "mutex" => {
            let locked = shared.mutex().lock(Wait::Forever);
            if let Some(_guard) = shared.taken(locked, Abandoned::repaired) {
                shared.check();
                shared.change();
            }
        }
        "write" => {
            let locked = shared.rwlock().write(Wait::Forever);
            if let Some(_guard) = shared.taken(locked, AbandonedWrite::repaired) {
                shared.check();
                shared.change();
            }
        }
        "read" => {
            let locked = shared.rwlock().read(Wait::Forever);
            if let Some(_guard) = shared.taken(locked, AbandonedWrite::repaired) {
                shared.check();
            }
        }
        // Each waits until the count is its own, even or odd, and passes it on.
        "even" | "odd" => {
            let mine = u64::from(kind == "odd");
            let guard = match shared.mutex().lock(Wait::Forever) {
                Err(LockError::OwnerDied(abandoned)) => {
                    shared.repair();
                    abandoned.repaired().unwrap()
                }
                other => other.unwrap(),
            };
            let must_wait = || shared.get(DATA) % 2 != mine;
            let locked = shared.condvar().wait_while(guard, Wait::Forever, must_wait);
            if let Some(_guard) = shared.taken(locked, Abandoned::repaired) {
                shared.check();
                shared.change();
                shared.condvar().notify_all().unwrap();
            }
        }
        // Has it until it is killed.
        "hold" => {
            let _guard = shared.mutex().lock(Wait::Forever).unwrap();
            shared.set(DATA, 1);
            std::thread::sleep(Duration::from_secs(600));
        }
        // These do not tell of a death: who takes one looks.
        "record" => {
            let file = shared_file(name);
            let range = ByteRange::between(DATA, DATA + 16);
            let _lock = RecordLock::lock(&file, range, Sharing::Exclusive, Wait::Forever).unwrap();
            shared.repair();
            shared.change();
        }
        semaphore => {
            let semaphore = Semaphore::open(&semaphore.parse().unwrap()).unwrap();
            let _permit = semaphore.acquire(Wait::For(Duration::from_secs(60))).unwrap();
            shared.repair();
            shared.change();
        }
    }
}

/// The file of the segment, where a segment is one; else one that is locked in its stead.
fn shared_path(name: &str) -> PathBuf {
    let directory = if cfg!(windows) { std::env::temp_dir() } else { "/dev/shm".into() };
    directory.join(name)
}

fn shared_file(name: &str) -> std::fs::File {
    std::fs::File::options().read(true).write(true).open(shared_path(name)).unwrap()
}

/// A worker, when it is started by a supervisor.
#[test]
fn worker() {
    let (Ok(kind), Ok(name)) = (std::env::var(KIND), std::env::var(SEGMENT)) else { return };
    let shared = Shared::open(&name, Creation::Existing);
    loop {
        turn(&kind, &shared, &name);
    }
}

/// Workers of one segment, killed when they are dropped.
struct Workers {
    name: String,
    shared: Shared,
    workers: Vec<(&'static str, Child)>,
}

impl Workers {
    fn new(name: &str, kinds: &[&'static str]) -> Self {
        let name = format!("mycp-locks-{name}-{}", std::process::id());
        let shared = Shared::open(&name, Creation::New { len: LEN });
        Mutex::create(shared.place(MUTEX, Mutex::BYTES)).unwrap();
        Condvar::create(shared.place(CONDVAR, Condvar::BYTES)).unwrap();
        RwLock::create(shared.place(RWLOCK, RwLock::BYTES)).unwrap();
        if cfg!(windows) {
            std::fs::write(shared_path(&name), [0]).unwrap();
        }
        let workers = kinds.iter().map(|kind| (*kind, start(kind, &name))).collect();
        Self { name, shared, workers }
    }

    /// Kills one after the other in some moment, and looks that the others go on.
    fn kill(&mut self, times: u32) {
        let mut moment = 1_u64;
        for round in 0..times {
            self.await_progress(round);
            // Numerical Recipes' generator: moments that differ, the same ones in each run.
            moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            std::thread::sleep(Duration::from_micros((moment >> 33) % 500));
            let count = self.workers.len();
            let (kind, worker) = &mut self.workers[round as usize % count];
            worker.kill().unwrap();
            worker.wait().unwrap();
            assert_eq!(self.shared.get(BROKEN), 0, "a state was trusted that was not repaired");
            *worker = start(kind, &self.name);
        }
        self.await_progress(times);
    }

    fn await_turns(&self, turns: u64) {
        let started = Instant::now();
        while self.shared.get(DATA) < turns {
            assert!(started.elapsed() < Duration::from_secs(60), "all wait");
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn await_progress(&mut self, round: u32) {
        let (before, started) = (self.shared.get(DATA), Instant::now());
        while self.shared.get(DATA) == before {
            assert_eq!(self.shared.get(BROKEN), 0, "a state was trusted that was not repaired");
            assert!(started.elapsed() < Duration::from_secs(20), "all wait after {round} deaths");
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn start(kind: &str, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "locks::worker", "--nocapture", "-q"])
        .envs([(KIND, kind), (SEGMENT, name)])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Workers {
    fn drop(&mut self) {
        for (_, worker) in &mut self.workers {
            drop(worker.kill());
            drop(worker.wait());
        }
        // A section goes by itself, and its file is one of its own.
        drop(std::fs::remove_file(shared_path(&self.name)));
        assert!(self.shared.segment.is_new());
    }
}

/// Under Wine a process takes a second to begin.
const DEATHS: u32 = if cfg!(windows) { 12 } else { 60 };
const MANY_DEATHS: u32 = 1000;

fn mutex(deaths: u32) {
    Workers::new("mutex", &["mutex", "mutex", "mutex"]).kill(deaths);
}

fn rwlock(deaths: u32) {
    Workers::new("rwlock", &["write", "read", "write", "read"]).kill(deaths);
}

fn condvar(deaths: u32) {
    Workers::new("condvar", &["even", "odd", "even", "odd"]).kill(deaths);
}

fn record(deaths: u32) {
    Workers::new("record", &["record", "record", "record"]).kill(deaths);
}

#[cfg(target_os = "linux")]
fn system_v(deaths: u32) {
    let private: mycp::lock::SemaphoreName = "sysv:private".parse().unwrap();
    let id = Semaphore::create(&private, 1, 0o600).unwrap().id().unwrap();
    // The workers' names live as long as the process.
    let name: &'static str = format!("sysv:id={id}").leak();
    let _removed = Removed(name);
    Workers::new("system-v", &[name, name, name]).kill(deaths);
}

/// A killed holder of a POSIX semaphore, or one of Windows, has taken its permit with it: a
/// supervisor finds out and gives it back.
fn named(deaths: u32) {
    let kind = if cfg!(windows) { "win:Local\\mycp-locks-semaphore" } else { "sem:/mycp-locks" };
    let name: &'static str = format!("{kind}-{}", std::process::id()).leak();
    let semaphore = Semaphore::create(&name.parse().unwrap(), 1, 0o600).unwrap();
    let _removed = Removed(name);
    let mut workers = Workers::new("posix", &[name]);
    let mut lost = 0;
    for round in 0..deaths {
        workers.await_progress(round);
        std::thread::sleep(Duration::from_micros(u64::from(round) % 97));
        let (_, worker) = &mut workers.workers[0];
        worker.kill().unwrap();
        worker.wait().unwrap();
        match semaphore.acquire(Wait::For(Duration::from_millis(5))) {
            Ok(permit) => drop(permit),
            Err(LockError::TimedOut) => {
                lost += 1;
                semaphore.release().unwrap();
            }
            Err(error) => panic!("{error}"),
        }
        assert_eq!(semaphore.count().unwrap(), 1);
        workers.workers[0].1 = start(name, &workers.name);
    }
    assert!(lost > 0, "no holder was killed");
}

struct Removed(&'static str);

impl Drop for Removed {
    fn drop(&mut self) {
        drop(Semaphore::remove(&self.0.parse().unwrap()));
    }
}

macro_rules! killed {
    ($($few:ident, $many:ident: $kind:ident;)*) => {$(
        #[test]
        fn $few() {
            $kind(DEATHS);
        }

        #[test]
        #[ignore = "needs a minute"]
        fn $many() {
            $kind(MANY_DEATHS);
        }
    )*};
}

killed! {
    a_mutex_outlives_its_holders, a_mutex_outlives_a_thousand: mutex;
    a_read_write_lock_outlives_its_holders, a_read_write_lock_outlives_a_thousand: rwlock;
    a_condition_outlives_those_who_wait_and_tell, a_condition_outlives_a_thousand: condvar;
    a_record_lock_is_free_after_death, a_record_lock_outlives_a_thousand: record;
    the_death_of_a_named_semaphore_s_holder_shows, such_a_death_shows_a_thousand_times: named;
}

// Windows has none.
#[cfg(target_os = "linux")]
killed! {
    a_system_v_semaphore_gets_back_what_the_dead_had, such_a_one_outlives_a_thousand: system_v;
}

/// Windows forgets a mutex with the last process that has it open, and an owner's death with it;
/// of one that others have open it tells. Both are to be seen.
#[test]
fn a_killed_owner_is_told_of_whether_others_knew_the_lock_or_not() {
    for is_known in [false, true] {
        let mut workers = Workers::new(if is_known { "known" } else { "unknown" }, &[]);
        if is_known {
            drop(workers.shared.mutex().lock(Wait::No).unwrap());
        }
        workers.workers.push(("hold", start("hold", &workers.name)));
        workers.await_turns(1);
        if is_known {
            let taken = workers.shared.mutex().lock(Wait::No);
            assert!(matches!(taken, Err(LockError::TimedOut)), "{taken:?}");
        }
        let (_, worker) = &mut workers.workers[0];
        worker.kill().unwrap();
        worker.wait().unwrap();
        let shared = &workers.shared;
        let taken = shared.mutex().lock(Wait::For(Duration::from_secs(20)));
        let Err(LockError::OwnerDied(abandoned)) = taken else { panic!("{is_known} {taken:?}") };
        assert_eq!(shared.get(DATA), 1, "what the dead one stored is there");
        drop(abandoned.repaired().unwrap());
        drop(shared.mutex().lock(Wait::No).unwrap());
    }
}

#[test]
fn nobody_waits_longer_than_it_says() {
    let workers = Workers::new("timeouts", &[]);
    let shared = &workers.shared;
    let guard = shared.mutex().lock(Wait::No).unwrap();
    assert!(matches!(shared.mutex().lock(Wait::Forever), Err(LockError::Deadlock)));
    let write = shared.rwlock().write(Wait::No).unwrap();
    let other = |what: &(dyn Fn() -> bool + Sync)| {
        std::thread::scope(|scope| {
            let started = Instant::now();
            let timed_out = scope.spawn(what).join().unwrap();
            assert!(timed_out && started.elapsed() < Duration::from_secs(5));
            started.elapsed()
        })
    };
    let time = Duration::from_millis(50);
    for wait in [Wait::No, Wait::For(Duration::ZERO), Wait::For(time)] {
        let least = if wait == Wait::For(time) { time } else { Duration::ZERO };
        let is_late = |result| matches!(result, Err(LockError::TimedOut));
        assert!(other(&|| is_late(shared.mutex().lock(wait).map(drop))) >= least);
        let is_late = |result| matches!(result, Err(LockError::TimedOut));
        assert!(other(&|| is_late(shared.rwlock().read(wait).map(drop))) >= least);
        assert!(other(&|| is_late(shared.rwlock().write(wait).map(drop))) >= least);
    }
    drop(write);
    let _read = shared.rwlock().read(Wait::No).unwrap();
    assert!(other(&|| matches!(shared.rwlock().write(Wait::No), Err(LockError::TimedOut))) < time);
    assert!(!other(&|| shared.rwlock().read(Wait::No).is_ok()).is_zero());
    let waited = shared.condvar().wait_while(guard, Wait::For(time), || true);
    assert!(matches!(waited, Err(LockError::TimedOut)));
    assert!(shared.mutex().lock(Wait::No).is_ok(), "it was given up");
}

#[test]
fn an_owner_s_death_that_nobody_repairs_stays() {
    let workers = Workers::new("unrepaired", &[]);
    let shared = &workers.shared;
    let die = || {
        std::thread::scope(|scope| {
            // Joined, since a scope does not wait until its threads are gone.
            let owner = || std::mem::forget(shared.mutex().lock(Wait::No).unwrap());
            scope.spawn(owner).join().unwrap();
            let writer = || std::mem::forget(shared.rwlock().write(Wait::No).unwrap());
            scope.spawn(writer).join().unwrap();
            // Its death is nobody's business.
            scope.spawn(|| {});
        });
    };
    die();
    let Err(LockError::OwnerDied(abandoned)) = shared.mutex().lock(Wait::No) else { panic!() };
    drop(abandoned);
    assert!(matches!(shared.mutex().lock(Wait::No), Err(LockError::NotRecoverable)));
    let Err(LockError::OwnerDied(abandoned)) = shared.rwlock().read(Wait::No) else { panic!() };
    drop(abandoned);
    assert!(matches!(shared.rwlock().read(Wait::No), Err(LockError::NotRecoverable)));
    assert!(matches!(shared.rwlock().write(Wait::No), Err(LockError::NotRecoverable)));
    // They are made anew.
    Mutex::create(shared.place(MUTEX, Mutex::BYTES)).unwrap();
    RwLock::create(shared.place(RWLOCK, RwLock::BYTES)).unwrap();
    die();
    let Err(LockError::OwnerDied(abandoned)) = shared.mutex().lock(Wait::No) else { panic!() };
    drop(abandoned.repaired().unwrap());
    assert!(shared.mutex().lock(Wait::No).is_ok());
    let Err(LockError::OwnerDied(abandoned)) = shared.rwlock().write(Wait::No) else { panic!() };
    drop(abandoned.repaired().unwrap());
    assert!(shared.rwlock().read(Wait::No).is_ok());
}

/// It would be overwritten under who has it.
#[test]
fn a_lock_that_somebody_has_is_not_made_anew() {
    let workers = Workers::new("anew", &[]);
    let shared = &workers.shared;
    let is_refused = |made: Result<(), LockError>| matches!(made, Err(LockError::TimedOut));
    let mutex = || Mutex::create(shared.place(MUTEX, Mutex::BYTES)).map(drop);
    let rwlock = || RwLock::create(shared.place(RWLOCK, RwLock::BYTES)).map(drop);
    let guard = shared.mutex().lock(Wait::No).unwrap();
    assert!(is_refused(mutex()));
    std::thread::scope(|scope| assert!(is_refused(scope.spawn(mutex).join().unwrap())));
    drop(guard);
    mutex().unwrap();
    let guard = shared.rwlock().read(Wait::No).unwrap();
    assert!(is_refused(rwlock()));
    drop(guard);
    let guard = shared.rwlock().write(Wait::No).unwrap();
    assert!(is_refused(rwlock()));
    drop(guard);
    rwlock().unwrap();
    assert!(shared.mutex().lock(Wait::No).is_ok() && shared.rwlock().write(Wait::No).is_ok());
}

#[test]
fn what_is_no_lock_is_not_taken_for_one() {
    let workers = Workers::new("labels", &[]);
    let shared = &workers.shared;
    let is_refused = |opened: Result<(), LockError>| matches!(opened, Err(LockError::NotALock));
    assert!(is_refused(Mutex::open(shared.place(CONDVAR, 64)).map(drop)));
    assert!(is_refused(Condvar::open(shared.place(MUTEX, 64)).map(drop)));
    assert!(is_refused(RwLock::open(shared.place(MUTEX, RwLock::BYTES)).map(drop)));
    assert!(is_refused(RwLock::open(shared.place(RWLOCK, 64)).map(drop)));
    assert!(is_refused(Mutex::create(shared.place(MUTEX, 16)).map(drop)));
    // SAFETY: nothing is made at any of these.
    let is_place = |at, len| unsafe { Place::new(&shared.region, at, len) }.is_some();
    let len = shared.region.len();
    assert!(is_place(0, len));
    for (at, len) in [(8, 64), (len.next_multiple_of(64), 64), (0, len + 1), (u64::MAX - 63, 64)] {
        assert!(!is_place(at, len), "{at} {len}");
    }
}

#[test]
fn one_more_reader_than_there_is_room_for_waits_for_whoever_is_first() {
    let workers = Workers::new("many-readers", &[]);
    let rwlock = &workers.shared.rwlock();
    let (took, taken) = std::sync::mpsc::channel();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let read = || rwlock.read(Wait::No).unwrap();
        let own: Vec<_> = (0..10).map(|_| read()).collect();
        scope.spawn(move || {
            let mut others: Vec<_> = (0..54).map(|_| read()).collect();
            took.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(50));
            others.pop();
            is_done.recv().unwrap_err();
        });
        taken.recv().unwrap();
        assert!(matches!(rwlock.read(Wait::No), Err(LockError::TimedOut)));
        let one_more = rwlock.read(Wait::For(Duration::from_secs(20)));
        assert!(one_more.is_ok(), "{one_more:?}");
        drop((one_more, own, done));
    });
    assert!(rwlock.write(Wait::For(Duration::from_secs(5))).is_ok());
}

#[test]
fn giving_a_write_up_as_beyond_repair_never_says_that_it_was_finished() {
    let workers = Workers::new("given-up", &[]);
    let shared = &workers.shared;
    // The word behind the label: whether somebody may be writing. Whoever is killed while giving
    // up leaves the gate to the next one, who believes it.
    let is_writing = || shared.get(RWLOCK + 8) & 0xffff_ffff == 1;
    std::thread::scope(|scope| {
        let writer = || {
            std::mem::forget(shared.rwlock().write(Wait::No).unwrap());
            assert!(is_writing());
        };
        scope.spawn(writer).join().unwrap();
    });
    let Err(LockError::OwnerDied(abandoned)) = shared.rwlock().read(Wait::No) else { panic!() };
    drop(abandoned);
    assert!(is_writing());
}

#[cfg(target_os = "linux")]
#[test]
fn a_semaphore_that_others_gave_a_count_is_used_and_one_without_is_removed() {
    let name: mycp::lock::SemaphoreName =
        format!("sysv:key={:#x}", 0x6e00_0000 | std::process::id()).parse().unwrap();
    let mycp::lock::SemaphoreName::SystemV(mycp::shm::SystemVName::Key(key)) = &name else {
        panic!()
    };
    // SAFETY: these take no pointers.
    let id = unsafe { libc::semget(key.get(), 1, libc::IPC_CREAT | libc::IPC_EXCL | 0o600) };
    let _removed = Removed(format!("sysv:id={id}").leak());
    let unfinished = Semaphore::open(&name);
    assert!(matches!(unfinished, Err(LockError::Os(_))), "{unfinished:?}");
    // Without a time of a last operation, as Python's sysv_ipc does it.
    // SAFETY: as above; SETVAL takes a number.
    assert_eq!(unsafe { libc::semctl(id, 0, libc::SETVAL, 1) }, 0);
    drop(Semaphore::open(&name).unwrap().acquire(Wait::No).unwrap());
    Semaphore::remove(&name).unwrap();

    // SAFETY: as above.
    let id = unsafe { libc::semget(key.get(), 1, libc::IPC_CREAT | libc::IPC_EXCL | 0o600) };
    let _removed = Removed(format!("sysv:id={id}").leak());
    Semaphore::remove(&name).unwrap();
    let gone = Semaphore::open(&name).unwrap_err();
    assert!(matches!(gone, LockError::Os(error) if error.raw_os_error() == Some(2)));
}

/// By themselves they look ten times a second, and would take ten seconds.
#[test]
fn processes_wake_each_other_at_once() {
    const TURNS: u64 = 100;
    let workers = Workers::new("wake", &["even", "odd"]);
    workers.await_turns(1);
    let (before, started) = (workers.shared.get(DATA), Instant::now());
    workers.await_turns(before + TURNS);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn who_waits_is_woken_at_once_and_learns_of_the_death_of_who_was_to_tell() {
    const ROUNDS: u64 = 60;
    let workers = Workers::new("woken", &[]);
    let shared = &workers.shared;
    let play = |mine: u64| {
        let mut guard = shared.mutex().lock(Wait::Forever).unwrap();
        while shared.get(DATA) < ROUNDS {
            let must_wait = || shared.get(DATA) % 2 != mine && shared.get(DATA) < ROUNDS;
            guard = shared.condvar().wait_while(guard, Wait::Forever, must_wait).unwrap();
            shared.set(DATA, shared.get(DATA) + 1);
            shared.condvar().notify_one().unwrap();
        }
    };
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| play(0));
        scope.spawn(|| play(1));
    });
    assert!(started.elapsed() < Duration::from_secs(3), "nobody is woken: each looks by itself");

    let guard = shared.mutex().lock(Wait::No).unwrap();
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| std::mem::forget(shared.mutex().lock(Wait::Forever).unwrap()));
        let learnt =
            shared.condvar().wait_while(guard, Wait::For(Duration::from_secs(30)), || true);
        assert!(matches!(learnt, Err(LockError::OwnerDied(_))), "{learnt:?}");
    });
    assert!(started.elapsed() < Duration::from_secs(10));
}
