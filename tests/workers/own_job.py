"""Jobs that use their own Job object, as apps do with RQ's."""

from rq import Queue, get_current_job
from rq.job import Job


def parent():
    return "tea"


def read_parents():
    return [each.return_value() for each in get_current_job().fetch_dependencies()]


def read_one_by_its_class():
    job = get_current_job()
    return type(job).fetch(job.dependency_ids[0].removeprefix("rq:job:"), connection=job.connection).return_value()


def read_many_by_its_class():
    job = get_current_job()
    found = job.fetch_many([job.dependency.id, "nobody"], connection=job.connection)
    return [each and each.return_value() for each in found]


def read_by_a_queue_of_its_class():
    job = get_current_job()
    return Queue(connection=job.connection, job_class=type(job)).fetch_job(job.dependency.id).return_value()


def tell_its_parent():
    of = get_current_job().dependency
    of.meta["child"] = "was here"
    of.save_meta()
    of.description = "has a child"
    of.save()
    of.refresh()
    return of.meta["child"], of.description


def make_another():
    job = get_current_job()
    made = type(job).create(parent, connection=job.connection, origin="made")
    made.meta["by"] = job.id
    Queue("made", connection=job.connection).enqueue_job(made)
    made.save_meta()
    return Job.fetch(made.id, connection=job.connection).meta["by"] == job.id


def know_itself():
    job = get_current_job()
    fetched = Job.fetch(job.id, connection=job.connection)
    return job == fetched, fetched == job, job != job.dependency, hash(job) == hash(fetched), isinstance(job, Job)


def boom():
    raise ValueError("boom")


def give_up():
    get_current_job().retries_left = 0
    boom()


def wait_less():
    get_current_job().retry_intervals = [0]
    boom()


def give_up_in_a_callback(job, *_):
    job.retries_left = 0


def note_duration(job, connection, *_):
    connection.set(f"duration:{job.id}", (job.ended_at - job.started_at).total_seconds())


def note_and_go_on(job, *_):
    note_duration(job, job.connection)
    return True
