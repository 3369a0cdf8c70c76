//! The operating system where it says no: functions of libc that stand in the test's program in front of the system's own,
//! so that the library linked into it meets failures that no server can bring about. Everything else is handed on.
#![allow(dead_code, reason = "no test has use for all of it")]

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs;
use std::mem::{MaybeUninit, transmute_copy};
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use libc::{addrinfo, pthread_attr_t, pthread_t, size_t, sockaddr, socklen_t, ssize_t};

/// The name servers know of no such name (RFC 6761 keeps `.invalid` free of any).
pub const UNKNOWN_NAME: &str = "no-such-host.invalid";
/// No name server answers when it is asked for this one.
pub const UNANSWERED_NAME: &str = "unanswered.invalid";
/// A firewall on this computer lets nobody reach it. Of those that RFC 5737 keeps for documentation.
pub const BLOCKED_ADDRESS: &str = "192.0.2.1";

/// Device and inode of the file that its disk cannot read.
static UNREADABLE: Mutex<Option<(u64, u64)>> = Mutex::new(None);

static SPEAKS_ROMANIAN: AtomicBool = AtomicBool::new(false);

thread_local! {
    static HAS_NO_THREADS: Cell<bool> = const { Cell::new(false) };
    static HAS_NO_PORTS: Cell<bool> = const { Cell::new(false) };
}

/// The next reading of the file fails, though it can be found and opened.
pub fn break_disk_under(path: &Path) {
    let metadata = fs::metadata(path).unwrap();
    *UNREADABLE.lock().unwrap() = Some((metadata.dev(), metadata.ino()));
}

/// From now on the system tells of errors in the language of its user, as in a program that called `setlocale`.
pub fn speak_romanian() {
    SPEAKS_ROMANIAN.store(true, Ordering::SeqCst);
}

/// While this runs, the calling thread cannot start another one.
pub fn without_threads<T>(work: impl FnOnce() -> T) -> T {
    HAS_NO_THREADS.set(true);
    let done = work();
    HAS_NO_THREADS.set(false);
    done
}

/// While this runs, the calling thread cannot listen at any port.
pub fn without_ports<T>(work: impl FnOnce() -> T) -> T {
    HAS_NO_PORTS.set(true);
    let done = work();
    HAS_NO_PORTS.set(false);
    done
}

/// The system's own function.
///
/// # Safety
/// `F` is the type of the function of this name.
unsafe fn own<F>(name: &CStr) -> F {
    // SAFETY: the name ends with a NUL.
    let function = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    assert!(!function.is_null(), "{name:?}");
    // SAFETY: the caller's promise; a pointer to a function is as large as one to data.
    unsafe { transmute_copy(&function) }
}

fn fail_with(error: c_int) {
    // SAFETY: the place is the thread's own.
    unsafe { *libc::__errno_location() = error };
}

type Getaddrinfo = unsafe extern "C" fn(*const c_char, *const c_char, *const addrinfo, *mut *mut addrinfo) -> c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn getaddrinfo(
    name: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    found: *mut *mut addrinfo,
) -> c_int {
    // SAFETY: a name is a C string, where there is one.
    let asked = (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_bytes());
    if asked == Some(UNKNOWN_NAME.as_bytes()) {
        return libc::EAI_NONAME;
    }
    if asked == Some(UNANSWERED_NAME.as_bytes()) {
        return libc::EAI_AGAIN;
    }
    // SAFETY: its type; everything is handed on as it came.
    unsafe { own::<Getaddrinfo>(c"getaddrinfo")(name, service, hints, found) }
}

type Connect = unsafe extern "C" fn(c_int, *const sockaddr, socklen_t) -> c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn connect(socket: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    // SAFETY: an address is as large as this at least.
    let sockaddr { sa_family: family, sa_data: port_and_host, .. } = unsafe { *address };
    let blocked = BLOCKED_ADDRESS.parse::<Ipv4Addr>().unwrap().octets();
    let is_blocked = c_int::from(family) == libc::AF_INET
        && port_and_host[2..6].iter().map(|byte| byte.to_ne_bytes()[0]).eq(blocked);
    if is_blocked {
        fail_with(libc::EPERM);
        return -1;
    }
    // SAFETY: its type; everything is handed on as it came.
    unsafe { own::<Connect>(c"connect")(socket, address, length) }
}

type Bind = unsafe extern "C" fn(c_int, *const sockaddr, socklen_t) -> c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn bind(socket: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    if HAS_NO_PORTS.get() {
        fail_with(libc::EADDRNOTAVAIL);
        return -1;
    }
    // SAFETY: its type; everything is handed on as it came.
    unsafe { own::<Bind>(c"bind")(socket, address, length) }
}

type Read = unsafe extern "C" fn(c_int, *mut c_void, size_t) -> ssize_t;

#[unsafe(no_mangle)]
unsafe extern "C" fn read(file: c_int, buffer: *mut c_void, length: size_t) -> ssize_t {
    if is_unreadable(file) {
        fail_with(libc::EIO);
        return -1;
    }
    // SAFETY: its type; everything is handed on as it came.
    unsafe { own::<Read>(c"read")(file, buffer, length) }
}

/// Once: the next file may have the number of this one.
fn is_unreadable(file: c_int) -> bool {
    let mut unreadable = UNREADABLE.lock().unwrap();
    if unreadable.is_none() {
        return false;
    }
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: it is filled in where the call succeeds.
    let stat = unsafe { (libc::fstat(file, stat.as_mut_ptr()) == 0).then(|| stat.assume_init()) };
    unreadable.take_if(|known| stat.is_some_and(|stat| (stat.st_dev, stat.st_ino) == *known)).is_some()
}

type Begin = extern "C" fn(*mut c_void) -> *mut c_void;
type PthreadCreate = unsafe extern "C" fn(*mut pthread_t, *const pthread_attr_t, Begin, *mut c_void) -> c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut pthread_t,
    attributes: *const pthread_attr_t,
    begin: Begin,
    argument: *mut c_void,
) -> c_int {
    if HAS_NO_THREADS.get() {
        return libc::EAGAIN;
    }
    // SAFETY: its type; everything is handed on as it came.
    unsafe { own::<PthreadCreate>(c"pthread_create")(thread, attributes, begin, argument) }
}

type GaiStrerror = unsafe extern "C" fn(c_int) -> *const c_char;

#[unsafe(no_mangle)]
unsafe extern "C" fn gai_strerror(error: c_int) -> *const c_char {
    if SPEAKS_ROMANIAN.load(Ordering::SeqCst) {
        return c"Rezolvarea numelui nu a reușit".as_ptr();
    }
    // SAFETY: its type; everything is handed on as it came.
    unsafe { own::<GaiStrerror>(c"gai_strerror")(error) }
}

type StrerrorR = unsafe extern "C" fn(c_int, *mut c_char, size_t) -> c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn __xpg_strerror_r(error: c_int, buffer: *mut c_char, length: size_t) -> c_int {
    let text = c"Eroare a sistemului";
    if SPEAKS_ROMANIAN.load(Ordering::SeqCst) && length > text.count_bytes() {
        // SAFETY: the text and its NUL fit into the buffer.
        unsafe { text.as_ptr().copy_to_nonoverlapping(buffer, text.count_bytes() + 1) };
        return 0;
    }
    // SAFETY: its type; everything is handed on as it came.
    unsafe { own::<StrerrorR>(c"__xpg_strerror_r")(error, buffer, length) }
}
