//! The pages over real HTTP: who may open what, what a browser is told, signing in.

mod letting_in;
mod pages;
mod phones;
mod telling;
mod wood;
mod world;
