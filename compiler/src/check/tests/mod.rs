//! Rules, each by a patch set that breaks it and one that does not.
