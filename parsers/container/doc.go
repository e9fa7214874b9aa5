// Package container is what the readers of disk containers have in common: a
// medium made of runs that lie in files, in a parent, in compressed units or
// nowhere, and the reading of it. A reader of a format gives the layout (one
// function from an offset to the run that begins there) and how a unit is
// decoded; Disk does the rest: reads over borders, a bounded cache with
// read-ahead, ranges told apart, damage located.
//
// It knows no format. Offsets and lengths are bytes of the medium.
package container
