// Package device holds the artifacts of devices: what was attached, when, and
// under which drive letter and volume.
package device
