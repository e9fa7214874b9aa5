// Package program says what a program (a portable executable) says of itself,
// as facts, each with what it does not prove: what it was named by its maker,
// when it claims to have been built, what it needs and offers, who signed it
// and whether the digest fits, what is odd about it, which hosts stand in it.
// It never says that a program is harmful, and it never runs one.
//
// The formats are read by parsers/pe, parsers/authenticode and parsers/cat,
// over a library that we did not write; so the reading happens in a child
// process of our own binary where a pool is given: a crash, a loop or a
// blow-up costs one file and is a problem with its place. Digests are computed
// here, outside of it.
//
// Nothing of the examining machine is used: no trust store, no clock.
package program
