#!/usr/bin/env escript
%% Microseconds from a crash until the replacement has answered, under OTP's own supervisor; and those of one_for_all
%% for each of 100 children. Prints two numbers: the medians. Run by bench_restarts.py where `escript` is installed.
-module(otp_restart).
-behaviour(supervisor).
-mode(compile).
-export([main/1, init/1, start_supervisor/1, start_child/1, serve/1]).

main([Rounds]) ->
    logger:set_primary_config(level, none),
    N = list_to_integer(Rounds),
    io:format("~.2f ~.2f~n", [one(N), all(N div 10, 100)]).

one(N) ->
    Sup = start_supervisor({one_for_one, 1}),
    Pid = up(),
    {Times, _} = lists:mapfoldl(fun(_, Last) ->
        Began = erlang:monotonic_time(nanosecond),
        Last ! crash,
        Next = up(),
        Next ! {ask, self()},
        receive {answer, Next} -> ok end,
        {(erlang:monotonic_time(nanosecond) - Began) / 1000, Next}
    end, Pid, lists:seq(1, N)),
    stop(Sup),
    median(Times).

all(N, Children) ->
    Sup = start_supervisor({one_for_all, Children}),
    Pids = [up() || _ <- lists:seq(1, Children)],
    {Times, _} = lists:mapfoldl(fun(_, Last) ->
        Began = erlang:monotonic_time(nanosecond),
        lists:nth(Children div 2, Last) ! crash,
        Next = [up() || _ <- lists:seq(1, Children)],
        {(erlang:monotonic_time(nanosecond) - Began) / 1000 / Children, Next}
    end, Pids, lists:seq(1, N)),
    stop(Sup),
    median(Times).

up() -> receive {up, Pid} -> Pid end.

median(Times) -> lists:nth((length(Times) + 1) div 2, lists:sort(Times)).

stop(Sup) ->
    Monitor = monitor(process, Sup),
    unlink(Sup),
    exit(Sup, shutdown),
    receive {'DOWN', Monitor, process, Sup, _} -> ok end.

start_supervisor({Strategy, Children}) ->
    {ok, Sup} = supervisor:start_link(?MODULE, {Strategy, Children, self()}),
    Sup.

init({Strategy, Children, Client}) ->
    Specs = [#{id => Id, start => {?MODULE, start_child, [Client]}} || Id <- lists:seq(1, Children)],
    {ok, {#{strategy => Strategy, intensity => 1000000, period => 1}, Specs}}.

start_child(Client) -> proc_lib:start_link(?MODULE, serve, [Client]).

serve(Client) ->
    proc_lib:init_ack({ok, self()}),
    Client ! {up, self()},
    loop().

loop() ->
    receive
        crash -> exit(crashed);
        {ask, From} -> From ! {answer, self()}, loop()
    end.
