//! The holder's pages, one file each. Never here: who may open them (`guard`, `routes`).

pub mod alerts;
pub mod api;
pub mod confirm;
pub mod contact_code;
pub mod contacts;
pub mod freeze;
pub mod limits;
pub mod live;
pub mod log_in;
pub mod passwords;
pub mod phones;
pub mod safe;
pub mod settings;
pub mod sign_in;
pub mod totp;
pub mod welcome;
