//! The holder's pages, one file each. Never here: who may open them (`guard`, `routes`).

pub mod alerts;
pub mod api;
pub mod call;
pub mod calls;
pub mod check_up;
pub mod confirm;
pub mod contact_code;
pub mod contacts;
pub mod freeze;
pub mod hours;
pub mod limits;
pub mod live;
pub mod lock;
pub mod log_in;
pub mod passwords;
pub mod phones;
pub mod places;
pub mod points;
pub mod recovery;
pub mod safe;
pub mod settings;
pub mod sign_in;
pub mod totp;
pub mod turn_on;
pub mod welcome;
pub mod words;
