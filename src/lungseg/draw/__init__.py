"""The only drawer: `picture` draws radiographs, `volume` sheets of slices."""
