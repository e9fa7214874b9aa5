// Package destlist reads what jump lists say beside their links: the DestList
// stream of automatic destinations, and the categories of custom destinations.
//
// Source: "Jump lists format" of the dtformats project, revision March 2024.
// DestList versions 1 (Windows 7, 8), 2, 3 and 4 (10, 11; the three have one
// layout). The compound file around a DestList and the links in both belong to
// other packages; a custom destination gives the place of each link, whose
// length only its own format tells.
package destlist
