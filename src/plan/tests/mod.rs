//! What playbooks come to, and what may be wrong with a plan.

mod back;
mod check;
mod copies;
mod hosts;
mod places;
mod scripts;
mod servers;
mod waves;
mod windows;
