//! Tests of the store from outside. Lives here: the list of them.

mod contract;
mod disk;
mod files;

mod histories;
mod journal;
mod power;

mod samples;
mod vfs;
mod writer;
