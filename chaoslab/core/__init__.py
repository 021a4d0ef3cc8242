"""Pure: the file, the plan, the record, the verdict. No I/O."""
