# What a build says: at its start on outputs that nothing stands behind, then how long, at its end where results lie.

if workflow.is_main_process:
    for line in plainly(records.start)():
        print(f"isthmus: {line}", file=sys.stderr)


def rooms_at_work():
    """The rooms that this call has, or had, jobs for, sorted by name and scale."""
    found = {
        (job.wildcards.room, job.wildcards.scale)
        for job in workflow.dag.needrun_jobs(exclude_finished=False)
        if job.wildcards.get("room")
    }
    return [rooms.load(name, scale) for name, scale in sorted(found)]


def say_how_long():
    """Print the minutes that a build of each room took, of those with jobs to run, where they were measured."""
    for room in rooms_at_work():
        if room.minutes:
            print(
                f"{room.name}: about {room.minutes:g} minutes for a whole build on 2 cores ({room.scale})",
                file=sys.stderr,
            )


def say_what_is_built():
    """Print where the results of each room lie that this call has built whole, and what shows its verdicts."""
    jobs = workflow.dag.needrun_jobs(exclude_finished=False)
    made = {str(path) for job in jobs for path in job.output}
    for room in rooms_at_work():
        if str(room.provenance_path) in made:
            at = "" if room.scale == rooms.LAPTOP else f" --scale {room.scale}"
            print(
                f"{room.name}: built in {room.folder}; `isthmus verdicts {room.name}{at}` shows its verdicts",
                file=sys.stderr,
            )


onstart:
    say_how_long()


onsuccess:
    say_what_is_built()
