//! Tests of the store from outside. Lives here: the list of them.

mod contract;

mod histories;


mod samples;


