// Package mounted shows media with faults to whole programs: as a file of FUSE,
// and as a loop device over it. Both need root and /dev/fuse, and exist under
// Linux only; where they cannot be had, the test is skipped. It is for tests.
package mounted
