/// One status for each thing that a host should do. The numbers are part of the ABI and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    Ok = 0,
    Pending = 1,
    BadCall = -1,
    BadSettings = -2,
    Unreachable = -3,
    NotSecure = -4,
    LoginRefused = -5,
    TryLater = -6,
    Refused = -7,
    Uncertain = -8,
    Canceled = -9,
    Internal = -10,
    BadEmail = -11,
    StoreFailed = -12,
}

impl Status {
    pub fn code(self) -> i32 {
        self as i32
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Pending => "PENDING",
            Self::BadCall => "BAD_CALL",
            Self::BadSettings => "BAD_SETTINGS",
            Self::Unreachable => "UNREACHABLE",
            Self::NotSecure => "NOT_SECURE",
            Self::LoginRefused => "LOGIN_REFUSED",
            Self::TryLater => "TRY_LATER",
            Self::Refused => "REFUSED",
            Self::Uncertain => "UNCERTAIN",
            Self::Canceled => "CANCELED",
            Self::Internal => "INTERNAL",
            Self::BadEmail => "BAD_EMAIL",
            Self::StoreFailed => "STORE_FAILED",
        }
    }
}
