// Package persistence holds the artifacts that answer "what stays": the places
// from which Windows starts programs by itself.
package persistence
