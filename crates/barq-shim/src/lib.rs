//! The shim process and the handle to start, find, adopt and stop what it leads.
