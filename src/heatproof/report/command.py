"""`heatproof job report`: one HTML file that tells what a study found, and files for a paper; heavy imports wait."""

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--models", nargs="+", required=True, help="timm names, in the order of the report")
    parser.add_argument("--seeds", nargs="+", type=int, required=True, help="training seeds")
    parser.add_argument("--methods", nargs="+", required=True, help="explanation methods under study")
    parser.add_argument("--folds", nargs="+", required=True, help="folds that were explained, fold0 first")
    parser.add_argument("--config", type=json.loads, required=True, metavar="JSON", help="section `report`")
    parser.add_argument(
        "--study-config",
        type=json.loads,
        required=True,
        metavar="JSON",
        help="the study's whole resolved configuration",
    )


def run(args: argparse.Namespace) -> None:
    """Read what the stages before left and write the report and the files for a paper."""
    from heatproof.report.inputs import read
    from heatproof.report.page import render
    from heatproof.report.paper import files, provenance
    from heatproof.store import artifacts

    inputs = read(args.study, args.models, args.seeds, args.methods, args.folds)
    path = artifacts.report_path(args.study)
    record, changes = provenance.gather(inputs, args.study_config)
    with artifacts.replacing(path) as temporary:
        temporary.write_text(render(inputs, args.config, args.study_config, record), encoding="utf-8")
    files.write(inputs, args.study_config)
    provenance.write(args.study, record, changes)
    print(path)
