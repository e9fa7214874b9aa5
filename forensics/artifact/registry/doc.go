// Package registry holds the artifacts that are about the registry as such:
// every key with the time of its last write, and the settings that say what
// Windows recorded and what it did not.
//
// Start places, services, devices, networks and users' lists are in the
// packages of the examiner's questions.
package registry
