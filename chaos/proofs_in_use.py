"""Which tests show that what can go wrong in use does no harm, or only the harm that its page admits."""

from __future__ import annotations

IN_USE: dict[str, tuple[str, ...]] = {
    "FM-032": (
        "tests/moves/test_versions.py::test_the_scripts_of_two_versions_are_served_side_by_side",
        "tests/moves/test_versions.py::test_what_one_version_begins_another_goes_on_with",
        "tests/moves/test_versions.py::test_a_claim_sent_again_by_another_version_of_the_scripts_gets_the_same_job",
        "tests/moves/test_versions.py::test_a_field_that_a_later_version_wrote_is_left_alone",
        "tests/jobs/test_door.py::test_a_server_that_is_too_old_is_refused_with_its_version",
    ),
    "FM-033": (
        "tests/workers/test_plain_path.py::test_one_broken_job_does_not_stop_the_ones_behind_it",
        "tests/workers/test_plain_path.py::test_a_team_that_uses_json_instead_of_pickle_keeps_doing_so",
        "tests/moves/test_bury.py::test_the_error_is_whole_where_rq_reads_it_and_short_on_the_record",
        "tests/workers/test_bad_input.py::test_an_id_that_is_no_text_ends_no_worker",
        "tests/workers/test_bad_input.py::test_a_record_that_rq_cannot_read_is_the_failure_of_its_job_and_no_crash",
    ),
    "FM-034": (
        "tests/workers/test_deaths.py::test_poison_is_buried_after_its_fourth_victim_and_the_others_finish",
        "tests/moves/test_crash.py::test_each_crash_waits_longer",
        "tests/moves/test_crash.py::test_a_crashed_job_goes_to_the_back",
        "tests/workers/test_deaths.py::test_poison_that_kills_whole_workers_is_buried_too",
    ),
    "FM-035": (
        "tests/workers/test_deaths.py::test_when_all_died_together_the_next_worker_takes_over_all_of_it",
        "tests/recovery/test_reaper.py::test_it_goes_on_until_a_batch_is_not_full",
        "tests/recovery/test_keeper.py::test_a_fleet_does_not_ask_in_step",
        "tests/recovery/test_keeper.py::test_a_chore_with_much_to_do_lets_the_others_through",
        "tests/moves/test_reclaim.py::test_who_goes_on_keeps_the_turn",
        "tests/jobs/test_connections.py::test_waits_double_up_to_two_seconds_and_are_never_alike",
    ),
    "FM-036": (
        "tests/jobs/test_retry.py::test_jitter_draws_each_wait_between_nothing_and_the_whole",
        "tests/workers/test_failures.py::test_a_backoff_of_ours_is_kept_by_real_workers",
    ),
    "FM-037": (
        "tests/workers/test_giants.py::test_a_giant_argument_is_carried_and_the_jobs_around_it_flow",
        "tests/workers/test_giants.py::test_a_giant_result_is_kept_whole",
        "tests/workers/test_giants.py::test_an_argument_that_redis_does_not_take_is_an_error_of_its_enqueue",
        "tests/workers/test_giants.py::test_a_result_that_redis_does_not_take_is_a_failure_that_says_so",
        "tests/workers/test_giants.py::test_a_server_that_forbids_config_has_the_limit_that_all_have",
        "tests/workers/test_giants.py::test_a_record_that_travels_for_longer_than_its_lease_is_run_all_the_same",
        "tests/workers/test_bad_input.py::test_an_argument_of_a_hundred_megabytes_is_run_like_any_other",
    ),
    "FM-038": (
        "tests/workers/test_schedule.py::test_a_scheduled_job_runs_when_it_is_due_once_and_not_before",
        "tests/moves/test_promote.py::test_an_entry_of_a_job_that_has_gone_on_is_only_dropped",
    ),
    "FM-039": (
        "tests/workers/test_schedule.py::test_a_promoter_that_sleeps_holds_nobody_up_and_does_nothing_twice",
        "tests/moves/test_promote.py::test_the_fleet_promotes_once_an_interval",
    ),
    "FM-040": (
        "tests/moves/test_calendar.py::test_a_moment_in_a_zone_is_due_at_its_one_instant",
        "tests/moves/test_calendar.py::test_a_naive_moment_is_due_when_this_machines_clock_will_show_it",
        "tests/moves/test_calendar.py::test_an_hour_from_now_is_an_hour_whatever_the_clocks_do_meanwhile",
        "tests/moves/test_calendar.py::test_a_night_whose_hour_comes_twice_has_one_job_under_the_key_of_its_date",
    ),
    "FM-041": (
        "tests/workers/test_schedule.py::test_scheduled_jobs_outlive_the_absence_of_every_worker",
        "tests/recovery/test_promoter.py::test_it_goes_on_while_there_may_be_more",
        "tests/workers/test_long_chores.py::test_a_holder_renews_in_time_while_a_chore_has_seconds_of_work",
    ),
    "FM-042": (
        "tests/workers/test_redis_away.py::test_a_worker_cut_off_stops_its_job_before_another_may_begin_it",
        "tests/workers/test_sleepers.py::test_a_horse_whose_parent_froze_is_stopped_before_another_may_begin",
        "tests/jobs/test_effects.py::test_a_server_that_is_away_until_the_stop_by_moment_ends_the_lease",
        "tests/workers/test_silent_lines.py::test_commands_are_heard_again_after_a_firewall_forgot_their_line",
        "tests/workers/test_silent_lines.py::test_plain_jobs_are_heard_again_after_a_firewall_forgot_their_line",
    ),
    "FM-043": (
        "tests/workers/test_redis_away.py::test_a_stall_shorter_than_the_lease_costs_a_job_nothing",
        "tests/jobs/test_settings.py::test_several_tries_fit_before_a_holder_must_stop",
        "tests/workers/test_redis_refuses.py::test_a_slow_link_is_no_dead_worker",
    ),
    "FM-044": (
        "tests/workers/test_goodbyes.py::test_a_job_longer_than_the_grace_is_given_back_unharmed_and_goes_first",
        "tests/workers/test_goodbyes.py::test_a_supervisor_that_signals_every_process_does_not_crash_the_job",
        "tests/workers/test_goodbyes.py::test_a_job_killed_by_the_supervisors_last_word_is_not_charged",
        "tests/workers/test_redis_away.py::test_a_busy_worker_without_redis_leaves_once_its_grace_is_over",
    ),
    "FM-045": (
        "tests/house/test_seams.py::test_nothing_reaches_for_time_chance_or_the_system_by_itself",
        "tests/workers/test_failures.py::test_a_job_that_does_not_heed_its_timeout_is_killed",
        "tests/workers/test_in_a_job.py::test_a_job_can_use_a_pool_of_processes",
    ),
    "FM-046": ("tests/workers/test_in_a_job.py::test_a_job_that_talks_to_redis_gets_its_own_answers",),
    "FM-047": (
        "tests/moves/test_claim_again.py::test_two_lives_of_one_name_do_not_hear_each_others_answers",
        "tests/workers/test_commands.py::test_a_name_can_be_used_again_at_once_after_a_kill",
        "tests/workers/test_commands.py::test_the_name_of_a_living_worker_is_refused",
        "tests/workers/test_commands.py::test_the_name_of_a_worker_that_only_sleeps_is_refused",
        "tests/workers/test_commands.py::test_a_stranger_with_the_pid_of_a_dead_worker_does_not_hold_its_name",
    ),
    "FM-048": (
        "tests/moves/test_claim.py::test_a_claim_that_leaves_jobs_behind_rings_for_the_next_worker",
        "tests/chaos/test_sweep.py::test_a_claim_in_two_steps_is_found_to_lose_jobs",
        "tests/workers/test_ears.py::test_what_was_claimed_behind_a_bell_that_broke_is_heard_of_by_asking_again",
        "tests/workers/test_doorbell.py::test_after_the_listener_was_lost_a_plain_job_begins_soon_and_the_next_at_once",
    ),
    "FM-049": (
        "tests/workers/test_at_the_door.py::test_a_client_that_waits_less_than_an_idle_worker_does_not_disturb_it",
        "tests/workers/test_goodbyes.py::test_an_idle_worker_leaves_at_once",
        "tests/jobs/test_connections.py::test_our_connections_go_where_the_users_go",
    ),
    "FM-050": (
        "tests/workers/test_stock_tools.py::test_a_job_canceled_while_it_runs_stays_canceled",
        "tests/workers/test_stock_tools.py::test_a_job_deleted_while_it_runs_is_not_brought_back",
        "tests/workers/test_commands.py::test_a_stop_meant_for_another_job_stops_nobody",
        "tests/workers/test_commands.py::test_an_impatient_person_who_asks_twice_does_no_harm",
        "tests/moves/test_reclaim.py::test_a_lease_on_a_job_that_a_person_ended_is_only_removed",
        "tests/moves/test_requeue.py::test_a_requeue_sent_twice_puts_it_in_line_once",
        "tests/moves/test_requeue.py::test_what_a_requeue_of_rqs_left_in_no_place_is_found_again",
    ),
    "FM-051": (
        "tests/moves/test_complete.py::test_who_waited_goes_in_line_with_the_parents_end",
        "tests/moves/test_crash.py::test_who_allowed_failure_goes_on_when_the_parent_is_buried",
        "tests/workers/test_failures.py::test_a_dependent_is_run_after_what_it_waits_for_and_not_after_its_failure",
        "tests/moves/test_rescue.py::test_a_job_that_is_in_no_place_is_put_back_at_the_second_look",
    ),
    "FM-052": ("tests/workers/test_sleepers.py::test_a_horse_beyond_the_reach_of_its_guard_is_refused_by_the_fence",),
    "FM-053": (
        "tests/workers/test_beside_stock.py::test_a_mixed_fleet_does_everything_once",
        "tests/workers/test_beside_stock.py::test_our_running_job_is_left_alone_by_stock_tools",
        "tests/workers/test_stock_tools.py::test_an_id_enqueued_again_while_it_runs_is_run_after_not_beside_itself",
        "tests/moves/test_claim.py::test_a_job_that_a_stock_worker_runs_is_left_to_it",
        "tests/moves/test_renew.py::test_a_stock_enqueue_of_a_held_id_does_not_end_its_lease",
        "tests/moves/test_adopt.py::test_a_dead_stock_workers_job_comes_back",
        "tests/moves/test_rescue.py::test_a_job_that_is_in_no_place_is_put_back_at_the_second_look",
    ),
    "FM-054": (
        "tests/jobs/test_door.py::test_a_cluster_is_refused_with_the_reason",
        "tests/jobs/test_door.py::test_a_cluster_of_any_kind_says_so_and_is_refused",
    ),
    "FM-055": (
        "tests/jobs/test_clock.py::test_a_deadline_has_passed_when_a_machine_wakes_that_was_suspended_for_an_hour",
        "tests/workers/test_sleepers.py::test_a_machine_that_froze_whole_changes_nothing_when_it_wakes",
    ),
}
