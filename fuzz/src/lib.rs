//! What fuzz targets share when one message is not enough. Lives here: a call between a stranger and
//! a carrier, the checks of what leaves. Never here: the targets.

pub mod bench;
pub mod leaving;
