//! What speaks against a call. Lives here: one file for each rule, `check(...) -> Option<Finding>`.
//! Never here: writes, the order of the rules (admission), calls in progress.

pub(crate) mod account_status;
pub(crate) mod barred_class;
pub(crate) mod barred_country;
pub(crate) mod barred_hour;
pub(crate) mod call_limit;
pub(crate) mod connect_fee_cap;
pub(crate) mod costly_call_limit;
pub(crate) mod hotspot_limit;
pub(crate) mod invalid_number;
pub(crate) mod ip_lock;
pub(crate) mod new_device_cap;
pub(crate) mod no_rate;
pub(crate) mod no_trunk;
pub(crate) mod price_cap;
pub(crate) mod stop_level;
pub(crate) mod store_down;
