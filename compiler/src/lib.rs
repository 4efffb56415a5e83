//! pvc compiler.
