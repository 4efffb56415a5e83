#![no_std]
//! pvc runtime.
